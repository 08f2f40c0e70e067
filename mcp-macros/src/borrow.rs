//! What a parameter borrows, and what has to be deserialised for it.
//!
//! Owns the way from the type in a signature to the type on the wire. Must never let through a borrow that the compiler would
//! explain with code that the author did not write.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Error, GenericArgument, Ident, PathArguments, Result, Type, parse_quote};

/// How the function wants an argument that was deserialised.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Borrow {
    Owned,
    /// `&T`, `&str`, `&[T]`.
    Reference,
    /// `Option<&str>`.
    Inside,
}

/// The last name of a path, and what stands in its angle brackets.
pub(crate) fn last_segment(ty: &Type) -> Option<(&Ident, &PathArguments)> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last()?;
    Some((&segment.ident, &segment.arguments))
}

/// The type to deserialise for a parameter that may borrow.
pub(crate) fn owned(ty: &Type) -> Result<(Type, Borrow)> {
    match ty {
        Type::Reference(reference) => {
            if let Some(mutability) = &reference.mutability {
                return Err(Error::new(
                    mutability.span(),
                    "an argument is not borrowed mutably: take it by value",
                ));
            }
            if let Some(lifetime) = &reference.lifetime {
                return Err(Error::new(
                    lifetime.span(),
                    "an argument lives only as long as the call: drop the lifetime",
                ));
            }
            let owned = match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => {
                    parse_quote!(::std::string::String)
                }
                Type::Slice(slice) => {
                    let element = &slice.elem;
                    parse_quote!(::std::vec::Vec<#element>)
                }
                other => other.clone(),
            };
            refuse_borrows(&owned)?;
            Ok((owned, Borrow::Reference))
        }
        other => {
            if let Some((name, PathArguments::AngleBracketed(list))) = last_segment(other)
                && name == "Option"
                && let Some(GenericArgument::Type(Type::Reference(reference))) = list.args.first()
            {
                return match &*reference.elem {
                    Type::Path(path)
                        if path.path.is_ident("str") && reference.mutability.is_none() =>
                    {
                        Ok((
                            parse_quote!(::core::option::Option<::std::string::String>),
                            Borrow::Inside,
                        ))
                    }
                    _ => Err(Error::new(
                        reference.span(),
                        "of references, an `Option` may hold only `&str`",
                    )),
                };
            }
            refuse_borrows(other)?;
            Ok((other.clone(), Borrow::Owned))
        }
    }
}

/// Without this, the compiler would suggest lifetimes in places where none can be.
fn refuse_borrows(ty: &Type) -> Result<()> {
    fn find(tokens: TokenStream) -> Option<Span> {
        let mut lifetime = None;
        for token in tokens {
            match (token, lifetime.take()) {
                (TokenTree::Ident(name), Some(span)) if name != "static" => return Some(span),
                (TokenTree::Punct(punct), _) if punct.as_char() == '&' => {
                    return Some(punct.span());
                }
                (TokenTree::Punct(punct), _) if punct.as_char() == '\'' => {
                    lifetime = Some(punct.span());
                }
                (TokenTree::Group(group), _) => {
                    if let Some(span) = find(group.stream()) {
                        return Some(span);
                    }
                }
                _ => {}
            }
        }
        None
    }
    match find(ty.to_token_stream()) {
        None => Ok(()),
        Some(span) => Err(Error::new(
            span,
            "nothing inside of an argument borrows: write `Vec<String>`, not `Vec<&str>`",
        )),
    }
}
