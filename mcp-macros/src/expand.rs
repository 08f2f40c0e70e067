//! What the three attributes have in common: the function that takes the place of the original, and errors.
//!
//! Must never expand to something that fails to compile for another reason than the one that it reports.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, LitStr, Result};

use crate::function::Function;
use crate::options::Options;

/// Runs an expansion; its error becomes a `compile_error!` at the place of the mistake.
pub(crate) fn attribute(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
    expand: impl Fn(TokenStream, TokenStream) -> Result<TokenStream>,
) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    expand(options.into(), item)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// A function of the same name and without arguments, which returns what `build` makes of the original inside of it.
///
/// A function, not a type or a constant: those would take the name from every `let` in the module.
pub(crate) fn constructor(
    function: &Function,
    returns: &TokenStream,
    build: &TokenStream,
) -> TokenStream {
    let Function {
        item, docs, cfgs, ..
    } = function;
    let (vis, name) = (&item.vis, function.ident());
    let mut original = item.clone();
    original.vis = syn::Visibility::Inherited;
    quote! {
        #(#docs)*
        #(#cfgs)*
        #[must_use]
        #vis fn #name() -> #returns {
            #[allow(unused_imports, reason = "a `Result` settles without it")]
            use ::mcp_server::__private::Settle as _;

            #original

            #build
        }
    }
}

/// The method of the builder that takes the handler, which runs `call`: `method` itself, or its asynchronous or blocking kind.
pub(crate) fn handler(
    function: &Function,
    method: &str,
    place: &Place,
    parameters: &TokenStream,
    call: &TokenStream,
) -> TokenStream {
    let (kind, body) = if function.is_async() {
        ("_async", quote! { async move { #call } })
    } else if place.blocking {
        ("_blocking", quote! { { #call } })
    } else {
        ("", quote! { { #call } })
    };
    // An outcome that is none is reported where the function says what it returns.
    let method = Ident::new(&format!("{method}{kind}"), function.output_span());
    quote! { .#method(|#parameters| #body) }
}

/// `.title("…")`, `.icon(…)` and `.scopes([…])`.
pub(crate) fn common(options: &mut Options) -> Result<TokenStream> {
    let title = options
        .text("title")?
        .map(|title| quote! { .title(#title) });
    let icon = options
        .text("icon")?
        .map(|src| quote! { .icon(::mcp_server::types::Icon::new(#src)) });
    let scopes = options.list("scopes")?;
    let scopes = (!scopes.is_empty()).then(|| quote! { .scopes([#(#scopes),*]) });
    Ok(quote! { #title #icon #scopes })
}

/// Where the handler runs: in place, on the pool, or as a task.
pub(crate) struct Place {
    pub(crate) blocking: bool,
    pub(crate) spawn: bool,
}

impl Place {
    pub(crate) fn take(options: &mut Options, function: &Function) -> Result<Self> {
        let blocking = options.flag("blocking")?.unwrap_or(false);
        let spawn = options.flag("spawn")?.unwrap_or(false);
        let fail = |reason: &str| Err(syn::Error::new(function.item.sig.fn_token.span, reason));
        if blocking && function.is_async() {
            return fail("`blocking` is for a plain `fn`: an `async fn` must not block");
        }
        if spawn && !function.is_async() {
            return fail(
                "`spawn` is for an `async fn`; a plain `fn` that takes long is `blocking`",
            );
        }
        Ok(Self { blocking, spawn })
    }
}

/// The name of an item: the option, or the function's own.
pub(crate) fn name(options: &mut Options, function: &Function) -> Result<LitStr> {
    Ok(match options.text("name")? {
        Some(name) if name.value().is_empty() => {
            return Err(syn::Error::new(name.span(), "a name is not empty"));
        }
        Some(name) => name,
        None => LitStr::new(
            &crate::function::unraw(function.ident()),
            function.ident().span(),
        ),
    })
}
