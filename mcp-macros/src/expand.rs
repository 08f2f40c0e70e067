//! What the three attributes have in common: the unit type, the hidden block around the function, and errors.
//!
//! Must never expand to something that fails to compile for another reason than the one that it reports.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{FnArg, LitStr, Result, ReturnType, Type};

use crate::function::Function;
use crate::options::Options;

/// Runs an expansion; its error becomes a `compile_error!` at the place of the mistake.
pub(crate) fn attribute(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
    expand: impl Fn(TokenStream, TokenStream) -> Result<TokenStream>,
) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    expand(options.into(), item).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// The unit type of the function's name, with `implementation` beside the function in a hidden block.
pub(crate) fn unit(function: &Function, implementation: &TokenStream) -> TokenStream {
    let Function { item, docs, cfgs, .. } = function;
    let (vis, name) = (&item.vis, function.ident());
    let mut hidden = item.clone();
    hidden.vis = syn::Visibility::Inherited;
    let callable = callable(function);
    quote! {
        #(#docs)*
        #(#cfgs)*
        #[allow(non_camel_case_types, reason = "it stands for the function of the same name")]
        #[derive(Clone, Copy, Debug)]
        #vis struct #name;

        #(#cfgs)*
        const _: () = {
            #[allow(unused_imports, reason = "a `Result` settles without it")]
            use ::mcp_server::__private::Settle as _;

            #hidden

            #implementation

            #callable
        };
    }
}

/// `Deref` to the function, so that it can still be called. An async function that borrows cannot be named as a type; those are
/// left without.
fn callable(function: &Function) -> TokenStream {
    let sig = &function.item.sig;
    let name = &sig.ident;
    let mut types = Vec::new();
    let mut places = Vec::new();
    for (index, input) in sig.inputs.iter().enumerate() {
        let FnArg::Typed(input) = input else { return TokenStream::new() };
        types.push(&*input.ty);
        places.push(format_ident!("__argument_{index}"));
    }
    let output = match &sig.output {
        ReturnType::Default => quote! { () },
        ReturnType::Type(_, ty) if matches!(**ty, Type::ImplTrait(_)) => return TokenStream::new(),
        ReturnType::Type(_, ty) => quote! { #ty },
    };
    if function.is_async() {
        let borrows = |ty: &&Type| quote!(#ty).to_string().contains('&');
        if types.iter().any(borrows) {
            return TokenStream::new();
        }
        return quote! {
            impl ::core::ops::Deref for #name {
                type Target = fn(#(#types),*) -> ::mcp_server::BoxFuture<#output>;

                fn deref(&self) -> &Self::Target {
                    fn __call(#(#places: #types),*) -> ::mcp_server::BoxFuture<#output> {
                        ::std::boxed::Box::pin(#name(#(#places),*))
                    }
                    const { &(__call as fn(#(#types),*) -> ::mcp_server::BoxFuture<#output>) }
                }
            }
        };
    }
    quote! {
        impl ::core::ops::Deref for #name {
            type Target = fn(#(#types),*) -> #output;

            fn deref(&self) -> &Self::Target {
                const { &(#name as fn(#(#types),*) -> #output) }
            }
        }
    }
}

/// `.title("…")`, `.icon(…)` and `.scopes([…])`.
pub(crate) fn common(options: &mut Options) -> Result<TokenStream> {
    let title = options.text("title")?.map(|title| quote! { .title(#title) });
    let icon = options.text("icon")?.map(|src| quote! { .icon(::mcp_server::types::Icon::new(#src)) });
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
            return fail("`spawn` is for an `async fn`; a plain `fn` that takes long is `blocking`");
        }
        Ok(Self { blocking, spawn })
    }
}

/// The name of an item: the option, or the function's own.
pub(crate) fn name(options: &mut Options, function: &Function) -> Result<LitStr> {
    Ok(match options.text("name")? {
        Some(name) if name.value().is_empty() => return Err(syn::Error::new(name.span(), "a name is not empty")),
        Some(name) => name,
        None => LitStr::new(&crate::function::unraw(function.ident()), function.ident().span()),
    })
}
