//! The HTTP status of an answer.
//!
//! Owns one pure function. A status cannot follow from the code alone: an unknown tool and a missing
//! `_meta` are both -32602, yet only the second is an HTTP error. And in legacy revisions a 404 means
//! "your session is gone", so an unknown method must not use it there.

use ::http::StatusCode;

use crate::error::{
    HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY,
    PARSE_ERROR, UNSUPPORTED_VERSION,
};
use crate::judge::Era;

/// Where an error came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The judgement of a message, before anything was dispatched.
    Judged(Era),
    /// The dispatcher or a handler.
    Handled(Era),
    /// No room: refused before dispatch.
    Overload,
    /// The caller is over its rate: refused before dispatch.
    Rate,
    /// The caller lacks a scope.
    Scope,
}

/// The status for an answer with the JSON-RPC error `code`, or with a result (`None`).
#[must_use]
pub const fn status_for(origin: Origin, code: Option<i64>) -> StatusCode {
    let Some(code) = code else {
        return StatusCode::OK;
    };
    match (origin, code) {
        (Origin::Overload, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Origin::Rate, _) => StatusCode::TOO_MANY_REQUESTS,
        (Origin::Scope, _) => StatusCode::FORBIDDEN,
        (
            Origin::Judged(_),
            PARSE_ERROR | INVALID_REQUEST | HEADER_MISMATCH | UNSUPPORTED_VERSION,
        )
        | (Origin::Judged(Era::Modern), INVALID_PARAMS)
        | (Origin::Judged(Era::Modern) | Origin::Handled(Era::Modern), MISSING_CAPABILITY) => {
            StatusCode::BAD_REQUEST
        }
        (Origin::Judged(Era::Modern) | Origin::Handled(Era::Modern), METHOD_NOT_FOUND) => {
            StatusCode::NOT_FOUND
        }
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Origin::{Handled, Judged};

    #[test]
    fn the_table() {
        use Era::{Legacy, Modern};
        for (origin, code, status) in [
            (Judged(Modern), None, 200),
            (Handled(Legacy), None, 200),
            (Judged(Modern), Some(-32700), 400),
            (Judged(Modern), Some(-32600), 400),
            (Judged(Modern), Some(-32602), 400),
            (Judged(Modern), Some(-32020), 400),
            (Judged(Modern), Some(-32021), 400),
            (Judged(Modern), Some(-32022), 400),
            (Judged(Modern), Some(-32601), 404),
            (Judged(Legacy), Some(-32700), 400),
            (Judged(Legacy), Some(-32600), 400),
            (Judged(Legacy), Some(-32022), 400),
            (Judged(Legacy), Some(-32020), 400),
            (Judged(Legacy), Some(-32602), 200),
            (Judged(Legacy), Some(-32601), 200),
            (Handled(Modern), Some(-32601), 404),
            (Handled(Modern), Some(-32021), 400),
            (Handled(Modern), Some(-32602), 200),
            (Handled(Modern), Some(-32603), 200),
            (Handled(Modern), Some(-32600), 200),
            (Handled(Legacy), Some(-32601), 200),
            (Handled(Legacy), Some(-32602), 200),
            (Handled(Legacy), Some(-32002), 200),
            (Handled(Legacy), Some(-32042), 200),
            (Origin::Overload, Some(-32603), 503),
            (Origin::Rate, Some(-32603), 429),
            (Origin::Scope, Some(-32603), 403),
        ] {
            assert_eq!(
                status_for(origin, code).as_u16(),
                status,
                "{origin:?} {code:?}"
            );
        }
    }
}
