//! `#[tool]`.
//!
//! Owns the expansion to `Tool::builder`, with a hidden type for the arguments that serde and schemars derive their code for.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, LitStr, Result};

use crate::expand::{Place, common, constructor, handler, name};
use crate::function::{Argument, Function, Param, parse_options};
use crate::options::Options;

const OPTIONS: &[&str] = &[
    "name",
    "title",
    "description",
    "icon",
    "read_only",
    "destructive",
    "idempotent",
    "open_world",
    "scopes",
    "blocking",
    "spawn",
];
const ARGUMENT_OPTIONS: &[&str] = &["name", "description", "default", "header"];
const HINTS: [&str; 4] = ["read_only", "destructive", "idempotent", "open_world"];

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function = Function::parse(item, "tool", ARGUMENT_OPTIONS)?;
    let mut options = Options::new(parse_options(options)?, OPTIONS)?;
    let name = checked(name(&mut options, &function)?)?;
    let description = function.description(options.text("description")?.as_ref());
    let common = common(&mut options)?;
    let place = Place::take(&mut options, &function)?;
    let mut hints = TokenStream::new();
    for hint in HINTS {
        if let Some(value) = options.flag(hint)? {
            let method = format_ident!("{hint}");
            hints.extend(quote! { .#method(#value) });
        }
    }
    options.finish()?;
    for param in &function.params {
        if let Param::Request { span, .. } = param {
            return Err(Error::new(*span, "a `ReadRequest` is for resources"));
        }
    }
    let (arguments, defaults) = arguments(&function);
    let states = function.states();
    let call = function.call(|argument| {
        let ident = &argument.ident;
        quote! { __arguments.#ident }
    });
    let spawn = place.spawn.then(|| quote! { .spawn() });
    let parameters = quote! { __arguments: __Arguments, __context: ::mcp_server::Context };
    let handler = handler(&function, "call", &place, &parameters, &call);
    Ok(constructor(
        &function,
        &quote! { ::mcp_server::Tool },
        &quote! {
            #defaults
            #arguments

            ::mcp_server::Tool::builder(#name)
                #description
                #common
                #hints
                #states
                #spawn
                #handler
        },
    ))
}

/// The rule for names that cannot be bent (2026-07-28, server/tools, "Tool Names").
fn checked(name: LitStr) -> Result<LitStr> {
    let text = name.value();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.len() > 128 || !text.chars().all(legal) {
        return Err(Error::new(
            name.span(),
            "a tool name has 1 to 128 of the characters A-Z a-z 0-9 _ - .",
        ));
    }
    Ok(name)
}

/// The type that the arguments are deserialised into, and the functions that make their defaults.
fn arguments(function: &Function) -> (TokenStream, TokenStream) {
    let mut fields = TokenStream::new();
    let mut defaults = TokenStream::new();
    for (index, argument) in function.arguments().enumerate() {
        let Argument {
            ident,
            name,
            ty,
            docs,
            passed,
            ..
        } = argument;
        let rename =
            (crate::function::unraw(ident) != *name).then(|| quote! { #[serde(rename = #name)] });
        let docs = match &argument.description {
            Some(text) => quote! { #[doc = #text] },
            None => quote! { #(#docs)* },
        };
        let header = argument
            .header
            .as_ref()
            .map(|header| quote! { #[schemars(extend("x-mcp-header" = #header))] });
        let default = argument.default.as_ref().map(|value| {
            let function = format_ident!("__default_{index}");
            defaults.extend(quote! {
                fn #function() -> #ty {
                    #value
                }
            });
            let function = function.to_string();
            quote! { #[serde(default = #function)] }
        });
        fields.extend(quote! { #docs #rename #default #header #(#passed)* #ident: #ty, });
    }
    let arguments = quote! {
        #[derive(::mcp_server::__private::serde::Deserialize, ::mcp_server::__private::schemars::JsonSchema)]
        #[serde(crate = "::mcp_server::__private::serde", deny_unknown_fields)]
        #[schemars(crate = "::mcp_server::__private::schemars")]
        struct __Arguments {
            #fields
        }
    };
    (arguments, defaults)
}
