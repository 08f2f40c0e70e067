//! `#[resource]`.
//!
//! Owns the expansion to `Resource::builder` and `Resource::template`, and the agreement between a template's variables and the
//! function's arguments.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, LitStr, Result};

use crate::expand::{Place, common, constructor, handler, name};
use crate::function::{Function, Param, parse_options};
use crate::options::Options;

const OPTIONS: &[&str] = &[
    "uri",
    "template",
    "name",
    "title",
    "description",
    "mime_type",
    "size",
    "icon",
    "scopes",
    "blocking",
    "spawn",
];
const ARGUMENT_OPTIONS: &[&str] = &[
    "name",
    "description",
    "complete",
    "complete_with",
    "complete_async",
];

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function = Function::parse(item, "resource", ARGUMENT_OPTIONS)?;
    let mut options = Options::new(parse_options(options)?, OPTIONS)?;
    let (uri, is_template) = location(&mut options, &function)?;
    let name = name(&mut options, &function)?;
    let description = function.description(options.text("description")?.as_ref());
    let common = common(&mut options)?;
    let mime_type = options
        .text("mime_type")?
        .map(|text| quote! { .mime_type(#text) });
    let size = options
        .expression("size")?
        .map(|size| quote! { .size(#size) });
    let place = Place::take(&mut options, &function)?;
    options.finish()?;
    agree(&function, &uri, is_template)?;
    let start = if is_template {
        quote! { template }
    } else {
        quote! { builder }
    };
    let completers = function.arguments().map(|argument| argument.completer());
    let states = function.states();
    let call = function.call(|argument| {
        let (wire, ty) = (&argument.name, &argument.ty);
        quote! { __request.parse::<#ty>(#wire)? }
    });
    let spawn = place.spawn.then(|| quote! { .spawn() });
    let parameters =
        quote! { __request: ::mcp_server::ReadRequest, __context: ::mcp_server::Context };
    let handler = handler(&function, "read", &place, &parameters, &call);
    Ok(constructor(
        &function,
        &quote! { ::mcp_server::Resource },
        &quote! {
            ::mcp_server::Resource::#start(#uri)
                .name(#name)
                #description
                #common
                #mime_type
                #size
                #states
                #(#completers)*
                #spawn
                #handler
        },
    ))
}

/// The URI or template, and which of the two it is.
fn location(options: &mut Options, function: &Function) -> Result<(LitStr, bool)> {
    let given = [
        options.unnamed()?,
        options.text("uri")?,
        options.text("template")?,
    ];
    let [text, uri, template] = given;
    match (text, uri, template) {
        (Some(text), None, None) => {
            let is_template = text.value().contains('{');
            Ok((text, is_template))
        }
        (None, Some(uri), None) => {
            if uri.value().contains(['{', '}']) {
                return Err(Error::new(
                    uri.span(),
                    "a URI has no `{variables}`; write `template = \"…\"`",
                ));
            }
            Ok((uri, false))
        }
        (None, None, Some(template)) => Ok((template, true)),
        (None, None, None) => Err(Error::new(
            function.ident().span(),
            "a #[resource] needs a URI: #[resource(\"docs://readme\")] or #[resource(template = \"users://{id}\")]",
        )),
        (_, Some(other), _) | (_, _, Some(other)) => Err(Error::new(
            other.span(),
            "a #[resource] has either one URI or one template",
        )),
    }
}

/// Every argument is a variable; every variable is an argument, unless the function takes the whole request.
fn agree(function: &Function, uri: &LitStr, is_template: bool) -> Result<()> {
    let text = uri.value();
    if !text.contains(':') {
        return Err(Error::new(
            uri.span(),
            "a resource URI starts with a scheme, such as `docs://readme`",
        ));
    }
    let variables = variables(&text);
    if is_template && variables.is_empty() {
        return Err(Error::new(
            uri.span(),
            "a template has at least one `{variable}`; without one it is a `uri`",
        ));
    }
    for argument in function.arguments() {
        if !variables.contains(&argument.name.as_str()) {
            let message = if is_template {
                format!(
                    "`{}` is no variable of the template `{text}`",
                    argument.name
                )
            } else {
                format!(
                    "a resource with one URI has no arguments; write `template = \"…{{{}}}…\"`",
                    argument.name
                )
            };
            return Err(Error::new(argument.ident.span(), message));
        }
    }
    let takes_request = function
        .params
        .iter()
        .any(|param| matches!(param, Param::Request { .. }));
    if !takes_request {
        for variable in variables {
            if function
                .arguments()
                .all(|argument| argument.name != variable)
            {
                let message =
                    format!("the variable `{{{variable}}}` is not an argument of the function");
                return Err(Error::new(uri.span(), message));
            }
        }
    }
    Ok(())
}

/// The names in the braces. The full grammar is checked when the server is built.
fn variables(template: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for expression in template.split('{').skip(1) {
        let inner = expression.split('}').next().unwrap_or_default();
        names.extend(
            inner
                .trim_start_matches(['+', '#', '.', '/', ';', '?', '&'])
                .split(','),
        );
    }
    names
}
