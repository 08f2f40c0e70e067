//! The methods of every revision.
//!
//! Owns the mapping between names and [`Method`]. It must never decide whether a method is allowed:
//! that depends on the revision and on what the server offers.

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $eras:ident, $kind:ident;)+) => {
        /// A method of any revision of the protocol, or [`Method::Other`].
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* #[doc = concat!("`", $name, "`")] $variant,)+
            /// Every other name; the message's `method_name` has it.
            #[default]
            Other,
        }

        impl Method {
            /// All methods but [`Method::Other`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The method of that (decoded) name. Case matters.
            #[must_use]
            pub fn from_bytes(name: &[u8]) -> Self {
                $(if name == $name.as_bytes() {
                    return Self::$variant;
                })+
                Self::Other
            }

            /// The name, or an empty string for [`Method::Other`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other => "",
                }
            }

            const fn eras(self) -> Eras {
                match self {
                    $(Self::$variant => Eras::$eras,)+
                    Self::Other => Eras::None,
                }
            }

            const fn kind(self) -> Role {
                match self {
                    $(Self::$variant => Role::$kind,)+
                    Self::Other => Role::Unknown,
                }
            }
        }
    };
}

/// The eras that have a method: `Legacy` up to 2025-11-25, `Modern` from 2026-07-28 on.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Eras {
    None,
    Legacy,
    Modern,
    Both,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Role {
    /// From client to server, with an answer.
    Request,
    /// From server to client, with an answer; an input request in 2026-07-28.
    ServerRequest,
    /// Without an answer.
    Notification,
    Unknown,
}

methods! {
    Initialize = "initialize", Legacy, Request;
    Ping = "ping", Legacy, Request;
    Discover = "server/discover", Modern, Request;
    ToolsList = "tools/list", Both, Request;
    ToolsCall = "tools/call", Both, Request;
    ResourcesList = "resources/list", Both, Request;
    ResourceTemplatesList = "resources/templates/list", Both, Request;
    ResourcesRead = "resources/read", Both, Request;
    ResourcesSubscribe = "resources/subscribe", Legacy, Request;
    ResourcesUnsubscribe = "resources/unsubscribe", Legacy, Request;
    PromptsList = "prompts/list", Both, Request;
    PromptsGet = "prompts/get", Both, Request;
    Complete = "completion/complete", Both, Request;
    SetLevel = "logging/setLevel", Legacy, Request;
    Listen = "subscriptions/listen", Modern, Request;
    /// 2025-11-25, and the tasks extension.
    TasksGet = "tasks/get", Both, Request;
    /// The tasks extension.
    TasksUpdate = "tasks/update", Modern, Request;
    /// 2025-11-25, and the tasks extension.
    TasksCancel = "tasks/cancel", Both, Request;
    TasksList = "tasks/list", Legacy, Request;
    TasksResult = "tasks/result", Legacy, Request;
    CreateMessage = "sampling/createMessage", Both, ServerRequest;
    ElicitationCreate = "elicitation/create", Both, ServerRequest;
    RootsList = "roots/list", Both, ServerRequest;
    Initialized = "notifications/initialized", Legacy, Notification;
    Cancelled = "notifications/cancelled", Both, Notification;
    Progress = "notifications/progress", Both, Notification;
    Message = "notifications/message", Both, Notification;
    RootsListChanged = "notifications/roots/list_changed", Legacy, Notification;
    ToolsListChanged = "notifications/tools/list_changed", Both, Notification;
    PromptsListChanged = "notifications/prompts/list_changed", Both, Notification;
    ResourcesListChanged = "notifications/resources/list_changed", Both, Notification;
    ResourcesUpdated = "notifications/resources/updated", Both, Notification;
    SubscriptionsAcknowledged = "notifications/subscriptions/acknowledged", Modern, Notification;
    ElicitationComplete = "notifications/elicitation/complete", Legacy, Notification;
    TaskStatus = "notifications/tasks/status", Legacy, Notification;
    /// The tasks extension.
    TaskChanged = "notifications/tasks", Modern, Notification;
}

impl Method {
    /// Whether 2026-07-28 (or the tasks extension to it) has this method.
    #[must_use]
    pub const fn is_modern(self) -> bool {
        matches!(self.eras(), Eras::Modern | Eras::Both)
    }

    /// Whether a revision up to 2025-11-25 has this method.
    #[must_use]
    pub const fn is_legacy(self) -> bool {
        matches!(self.eras(), Eras::Legacy | Eras::Both)
    }

    /// Whether only 2026-07-28 has this method, so that its use alone tells the era.
    #[must_use]
    pub const fn is_modern_only(self) -> bool {
        matches!(self.eras(), Eras::Modern)
    }

    /// Whether only revisions up to 2025-11-25 have this method.
    #[must_use]
    pub const fn is_legacy_only(self) -> bool {
        matches!(self.eras(), Eras::Legacy)
    }

    /// Whether its modern results must have caching hints (2026-07-28, server/utilities/caching).
    #[must_use]
    pub const fn is_cacheable(self) -> bool {
        matches!(
            self,
            Self::Discover
                | Self::ToolsList
                | Self::PromptsList
                | Self::ResourcesList
                | Self::ResourceTemplatesList
                | Self::ResourcesRead
        )
    }

    /// Whether it is a notification by name. Always false for [`Method::Other`].
    #[must_use]
    pub const fn is_notification(self) -> bool {
        matches!(self.kind(), Role::Notification)
    }

    /// Whether a client sends it and awaits an answer.
    #[must_use]
    pub const fn is_client_request(self) -> bool {
        matches!(self.kind(), Role::Request)
    }

    /// Whether a server asks it of a client.
    #[must_use]
    pub const fn is_server_request(self) -> bool {
        matches!(self.kind(), Role::ServerRequest)
    }
}

impl core::fmt::Display for Method {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if matches!(self, Self::Other) {
            "other"
        } else {
            self.as_str()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for method in Method::ALL {
            assert_eq!(Method::from_bytes(method.as_str().as_bytes()), *method);
            assert_eq!(
                method.as_str().starts_with("notifications/"),
                method.is_notification()
            );
            assert!(method.is_modern() || method.is_legacy());
        }
        for name in [
            "",
            "Tools/call",
            "tools/call ",
            "tools/call\0",
            "other",
            "rpc.discover",
        ] {
            assert_eq!(Method::from_bytes(name.as_bytes()), Method::Other);
        }
    }
}
