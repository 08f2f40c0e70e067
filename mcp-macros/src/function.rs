//! The function under an attribute: its documentation, its arguments, and what the framework provides to it.
//!
//! Owns the reading of signatures. Must never guess: what cannot be a handler is an error at its place.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, GenericArgument, Ident, ItemFn, Lit, LitStr, Meta, Pat,
    PathArguments, Result, Token, Type,
};

use crate::borrow::{Borrow, last_segment, owned};
use crate::options::{Given, Options};

/// A function that is about to become a handler.
pub(crate) struct Function {
    /// Without documentation and without attributes on its arguments.
    pub(crate) item: ItemFn,
    pub(crate) docs: Vec<Attribute>,
    /// `#[cfg]` attributes: they apply to everything that is made of the function.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) params: Vec<Param>,
}

/// A parameter of the function.
pub(crate) enum Param {
    /// What the client sends.
    Argument(Box<Argument>),
    /// `Context` or `&Context`.
    Context { borrowed: bool },
    /// `State<T>` or `&State<T>`.
    State { ty: Box<Type>, borrowed: bool },
    /// `ReadRequest` or `&ReadRequest`.
    Request { borrowed: bool, span: Span },
}

/// An argument that the client sends.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// The name on the wire.
    pub(crate) name: String,
    /// The type as it is deserialised, without references.
    pub(crate) ty: Type,
    borrow: Borrow,
    pub(crate) docs: Vec<Attribute>,
    /// `#[serde(…)]` and `#[schemars(…)]`.
    pub(crate) passed: Vec<Attribute>,
    pub(crate) description: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) default: Option<Expr>,
    pub(crate) header: Option<LitStr>,
    pub(crate) complete: Option<Expr>,
    pub(crate) complete_with: Option<Expr>,
    pub(crate) complete_async: Option<Expr>,
}

impl Function {
    pub(crate) fn parse(
        item: TokenStream,
        attribute: &str,
        argument_options: &'static [&'static str],
    ) -> Result<Self> {
        let mut item: ItemFn = syn::parse2(item).map_err(|error| {
            Error::new(error.span(), format!("#[{attribute}] goes on a function"))
        })?;
        refuse(&item, attribute)?;
        let attrs = std::mem::take(&mut item.attrs);
        let (docs, attrs): (Vec<_>, Vec<_>) = attrs
            .into_iter()
            .partition(|attr| attr.path().is_ident("doc"));
        let cfgs = attrs
            .iter()
            .filter(|attr| attr.path().is_ident("cfg"))
            .cloned()
            .collect();
        item.attrs = attrs;
        let mut params = Vec::new();
        for input in &mut item.sig.inputs {
            let FnArg::Typed(input) = input else { continue };
            params.push(Param::parse(input, argument_options)?);
        }
        for (index, param) in params.iter().enumerate() {
            let Param::Argument(argument) = param else {
                continue;
            };
            let twice = params[..index].iter().any(|earlier| match earlier {
                Param::Argument(earlier) => earlier.name == argument.name,
                _ => false,
            });
            if twice {
                return Err(Error::new(
                    argument.ident.span(),
                    format!("there are two arguments called `{}`", argument.name),
                ));
            }
        }
        Ok(Self {
            item,
            docs,
            cfgs,
            params,
        })
    }

    pub(crate) const fn ident(&self) -> &Ident {
        &self.item.sig.ident
    }

    pub(crate) const fn is_async(&self) -> bool {
        self.item.sig.asyncness.is_some()
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.params.iter().filter_map(|param| match param {
            Param::Argument(argument) => Some(&**argument),
            _ => None,
        })
    }

    /// Where complaints about the return type belong.
    pub(crate) fn output_span(&self) -> Span {
        match &self.item.sig.output {
            syn::ReturnType::Default => self.ident().span(),
            syn::ReturnType::Type(_, ty) => ty.span(),
        }
    }

    /// `.description("…")`, from the option or the doc comment.
    pub(crate) fn description(&self, option: Option<&LitStr>) -> TokenStream {
        let text = option.cloned().or_else(|| text_of(&self.docs));
        text.map(|text| quote! { .description(#text) })
            .unwrap_or_default()
    }

    /// `.needs_state::<T>()` for each state.
    pub(crate) fn states(&self) -> TokenStream {
        let states = self.params.iter().filter_map(|param| match param {
            Param::State { ty, .. } => Some(quote! { .needs_state::<#ty>() }),
            _ => None,
        });
        quote! { #(#states)* }
    }

    /// The call of the function inside a handler, settled into a `Result`. `value` yields the owned value of an argument as an
    /// expression that may use `?`.
    pub(crate) fn call(&self, value: impl Fn(&Argument) -> TokenStream) -> TokenStream {
        let mut prepared = Vec::new();
        let mut passed = Vec::new();
        for (index, param) in self.params.iter().enumerate() {
            let place = format_ident!("__argument_{index}");
            match param {
                Param::Argument(argument) => {
                    let value = value(argument);
                    prepared.push(quote! { let #place = #value; });
                    passed.push(match argument.borrow {
                        Borrow::Owned => quote! { #place },
                        Borrow::Reference => quote! { &#place },
                        Borrow::Inside => quote! { #place.as_deref() },
                    });
                }
                Param::Context { borrowed: true } => passed.push(quote! { &__context }),
                Param::Context { borrowed: false } => passed.push(quote! { __context.clone() }),
                Param::State { ty, borrowed } => {
                    prepared
                        .push(quote! { let #place = ::mcp_server::State::<#ty>::of(&__context)?; });
                    passed.push(if *borrowed {
                        quote! { &#place }
                    } else {
                        quote! { #place }
                    });
                }
                Param::Request { borrowed: true, .. } => passed.push(quote! { &__request }),
                Param::Request {
                    borrowed: false, ..
                } => passed.push(quote! { __request.clone() }),
            }
        }
        let function = self.ident();
        let wait = self.is_async().then(|| quote! { .await });
        // The type of the value decides whether it settles as a `Result` or as itself.
        let span = self.output_span();
        let settle =
            quote_spanned! { span=> ::mcp_server::__private::Returned(__returned).settle() };
        quote! {
            #(#prepared)*
            let __returned = #function(#(#passed),*)#wait;
            #settle
        }
    }
}

/// What no handler can have.
fn refuse(item: &ItemFn, attribute: &str) -> Result<()> {
    let sig = &item.sig;
    let fail = |span: Span, reason: &str| {
        Err(Error::new(
            span,
            format!("a #[{attribute}] function {reason}"),
        ))
    };
    if let Some(receiver) = sig.receiver() {
        let builder = match attribute {
            "tool" => "Tool::builder",
            "resource" => "Resource::builder",
            _ => "Prompt::builder",
        };
        return fail(
            receiver.span(),
            &format!(
                "has no `self`: take a `State<T>` argument, or build it from a closure with `{builder}`"
            ),
        );
    }
    if !sig.generics.params.is_empty() {
        return fail(
            sig.generics.span(),
            "has no generics: its schema must be known",
        );
    }
    if let Some(variadic) = &sig.variadic {
        return fail(variadic.span(), "has no variable arguments");
    }
    if let Some(abi) = &sig.abi {
        return fail(abi.span(), "is an ordinary Rust function");
    }
    if !matches!(sig.safety, syn::Safety::Default) {
        return fail(sig.fn_token.span(), "is safe: anybody may call it");
    }
    Ok(())
}

impl Param {
    fn parse(input: &mut syn::PatType, argument_options: &'static [&'static str]) -> Result<Self> {
        let attrs = std::mem::take(&mut input.attrs);
        let (borrowed, bare) = match &*input.ty {
            Type::Reference(reference) => (true, &*reference.elem),
            other => (false, other),
        };
        if let Type::ImplTrait(ty) = bare {
            return Err(Error::new(
                ty.span(),
                "an argument has a concrete type: its schema must be known",
            ));
        }
        if let Some((name, arguments)) = last_segment(bare) {
            let provided = match (name.to_string().as_str(), arguments) {
                ("Context", PathArguments::None) => Some(Self::Context { borrowed }),
                ("ReadRequest", PathArguments::None) => Some(Self::Request {
                    borrowed,
                    span: input.ty.span(),
                }),
                ("State", PathArguments::AngleBracketed(list)) => match list.args.first() {
                    Some(GenericArgument::Type(ty)) if list.args.len() == 1 => Some(Self::State {
                        ty: Box::new(ty.clone()),
                        borrowed,
                    }),
                    _ => None,
                },
                _ => None,
            };
            if let Some(provided) = provided {
                if let Some(attr) = attrs.first() {
                    return Err(Error::new(
                        attr.span(),
                        format!("`{name}` comes from the framework and takes no attributes"),
                    ));
                }
                return Ok(provided);
            }
        }
        let ident = match &mut *input.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.ident.clone(),
            Pat::Wild(wild) => {
                return Err(Error::new(
                    wild.span(),
                    "an argument needs a name: clients send it by that name",
                ));
            }
            other => {
                return Err(Error::new(
                    other.span(),
                    "an argument is a plain name: take the value apart inside of the function",
                ));
            }
        };
        let (ty, borrow) = owned(&input.ty)?;
        Argument::parse(ident, ty, borrow, attrs, argument_options)
            .map(|argument| Self::Argument(Box::new(argument)))
    }
}

impl Argument {
    fn parse(
        ident: Ident,
        ty: Type,
        borrow: Borrow,
        attrs: Vec<Attribute>,
        known: &'static [&'static str],
    ) -> Result<Self> {
        let mut docs = Vec::new();
        let mut passed = Vec::new();
        let mut given = Vec::new();
        for attr in attrs {
            let path = attr.path();
            if path.is_ident("doc") {
                docs.push(attr);
            } else if path.is_ident("mcp") {
                given.extend(
                    attr.parse_args_with(Punctuated::<Given, Token![,]>::parse_terminated)?,
                );
            } else if (path.is_ident("serde") || path.is_ident("schemars"))
                && known.contains(&"header")
            {
                passed.push(attr);
            } else {
                let allowed = if known.contains(&"header") {
                    "doc comments, `#[mcp(…)]`, `#[serde(…)]` and `#[schemars(…)]`"
                } else {
                    "doc comments and `#[mcp(…)]`"
                };
                return Err(Error::new(
                    attr.span(),
                    format!("an argument takes only {allowed}"),
                ));
            }
        }
        let mut options = Options::new(given, known)?;
        let mut text = |name: &str| {
            if known.contains(&name) {
                options.text(name)
            } else {
                Ok(None)
            }
        };
        let name = text("name")?;
        let description = text("description")?;
        let title = text("title")?;
        let header = text("header")?;
        let mut expression = |name: &str| {
            if known.contains(&name) {
                options.expression(name)
            } else {
                Ok(None)
            }
        };
        let default = expression("default")?;
        let complete = expression("complete")?;
        let complete_with = expression("complete_with")?;
        let complete_async = expression("complete_async")?;
        options.finish()?;
        if let Some(header) = &header
            && !is_token(&header.value())
        {
            return Err(Error::new(
                header.span(),
                "a header name has at least one of the characters A-Z a-z 0-9 ! # $ % & ' * + - . ^ _ ` | ~ and no others",
            ));
        }
        if [&complete, &complete_with, &complete_async]
            .into_iter()
            .flatten()
            .count()
            > 1
        {
            return Err(Error::new(ident.span(), "an argument has one completer"));
        }
        let name = match name {
            Some(name) if name.value().is_empty() => {
                return Err(Error::new(name.span(), "a name is not empty"));
            }
            Some(name) => name.value(),
            None => unraw(&ident),
        };
        Ok(Self {
            ident,
            name,
            ty,
            borrow,
            docs,
            passed,
            description,
            title,
            default,
            header,
            complete,
            complete_with,
            complete_async,
        })
    }

    pub(crate) fn description(&self) -> Option<LitStr> {
        self.description.clone().or_else(|| text_of(&self.docs))
    }

    /// `.complete…("name", …)`, or nothing.
    pub(crate) fn completer(&self) -> TokenStream {
        let name = &self.name;
        if let Some(values) = &self.complete_with {
            return quote! { .complete_with(#name, #values) };
        }
        if let Some(function) = &self.complete {
            return quote! { .complete(#name, #function) };
        }
        if let Some(function) = &self.complete_async {
            return quote! {
                .complete_async(#name, |__request, __context| async move {
                    let __returned = #function(__request, __context).await;
                    ::mcp_server::__private::Returned(__returned).settle()
                })
            };
        }
        TokenStream::new()
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

pub(crate) fn unraw(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// The text of doc comments, as Markdown without the leading space of each line.
pub(crate) fn text_of(docs: &[Attribute]) -> Option<LitStr> {
    let mut lines: Vec<String> = Vec::new();
    let mut span = None;
    for doc in docs {
        let Meta::NameValue(pair) = &doc.meta else {
            continue;
        };
        let Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) = &pair.value
        else {
            continue;
        };
        span.get_or_insert_with(|| text.span());
        let text = text.value();
        // `/** … */` may have a column of asterisks.
        let block = text.contains('\n');
        for line in text.split('\n') {
            let line = if block {
                line.trim_start().strip_prefix('*').unwrap_or(line)
            } else {
                line
            };
            lines.push(line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned());
        }
    }
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then(|| LitStr::new(&text, span.unwrap_or_else(Span::call_site)))
}

/// Options out of an attribute's tokens.
pub(crate) fn parse_options(tokens: TokenStream) -> Result<Vec<Given>> {
    let parser = Punctuated::<Given, Token![,]>::parse_terminated;
    Ok(parser.parse2(tokens)?.into_iter().collect())
}
