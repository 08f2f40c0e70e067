//! `#[prompt]`.
//!
//! Owns the expansion to `Prompt::builder`. Arguments of prompts are text on the wire; `FromArgument` makes values of them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Result};

use crate::expand::{Place, common, constructor, handler, name};
use crate::function::{Function, Param, parse_options};
use crate::options::Options;

const OPTIONS: &[&str] = &[
    "name",
    "title",
    "description",
    "icon",
    "scopes",
    "blocking",
    "spawn",
];
const ARGUMENT_OPTIONS: &[&str] = &[
    "name",
    "title",
    "description",
    "default",
    "complete",
    "complete_with",
    "complete_async",
];

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function = Function::parse(item, "prompt", ARGUMENT_OPTIONS)?;
    let mut options = Options::new(parse_options(options)?, OPTIONS)?;
    let name = name(&mut options, &function)?;
    let description = function.description(options.text("description")?.as_ref());
    let common = common(&mut options)?;
    let place = Place::take(&mut options, &function)?;
    options.finish()?;
    for param in &function.params {
        if let Param::Request { span, .. } = param {
            return Err(Error::new(*span, "a `ReadRequest` is for resources"));
        }
    }
    let mut arguments = TokenStream::new();
    for argument in function.arguments() {
        let (wire, ty) = (&argument.name, &argument.ty);
        let title = argument
            .title
            .as_ref()
            .map(|title| quote! { .with_title(#title) });
        let description = argument
            .description()
            .map(|text| quote! { .with_description(#text) });
        let required = match argument.default {
            Some(_) => quote! { false },
            None => quote! { <#ty as ::mcp_server::FromArgument>::REQUIRED },
        };
        let completer = argument.completer();
        arguments.extend(quote! {
            .argument(::mcp_server::types::PromptArgument::new(#wire) #title #description .with_required(#required))
            #completer
        });
    }
    let states = function.states();
    let call = function.call(|argument| {
        let (wire, ty) = (&argument.name, &argument.ty);
        match &argument.default {
            None => quote! { __arguments.parse::<#ty>(#wire)? },
            Some(value) => quote! {
                if __arguments.get(#wire).is_some() { __arguments.parse::<#ty>(#wire)? } else { #value }
            },
        }
    });
    let spawn = place.spawn.then(|| quote! { .spawn() });
    let parameters =
        quote! { __arguments: ::mcp_server::Arguments, __context: ::mcp_server::Context };
    let handler = handler(&function, "get", &place, &parameters, &call);
    Ok(constructor(
        &function,
        &quote! { ::mcp_server::Prompt },
        &quote! {
            ::mcp_server::Prompt::builder(#name)
                #description
                #common
                #states
                #arguments
                #spawn
                #handler
        },
    ))
}
