//! The options in an attribute's parentheses.
//!
//! Owns their grammar: `flag`, `flag = bool`, `name = expression`, `name("a", "b")`, or a single text. Must never ignore an option that it
//! does not know.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token, parenthesized};

/// What follows an option's name.
pub(crate) enum Value {
    /// Nothing: a flag.
    Flag,
    /// `= …`.
    Assigned(Box<Expr>),
    /// `("a", "b")`.
    List(Vec<LitStr>),
}

/// One option.
pub(crate) struct Given {
    /// `None` for a text without a name.
    pub(crate) name: Option<Ident>,
    pub(crate) value: Value,
    pub(crate) span: Span,
}

impl Parse for Given {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let span = input.span();
        if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            let text = Expr::Lit(ExprLit {
                attrs: Vec::new(),
                lit: Lit::Str(text),
            });
            return Ok(Self {
                name: None,
                value: Value::Assigned(Box::new(text)),
                span,
            });
        }
        let name: Ident = input.parse()?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Value::Assigned(Box::new(input.parse()?))
        } else if input.peek(syn::token::Paren) {
            let content;
            parenthesized!(content in input);
            let list = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
            Value::List(list.into_iter().collect())
        } else {
            Value::Flag
        };
        Ok(Self {
            name: Some(name),
            value,
            span,
        })
    }
}

/// Options, taken one by one; what is left over is an error.
pub(crate) struct Options {
    given: Vec<Given>,
    /// What may be given, for the error message.
    known: &'static [&'static str],
}

impl Options {
    pub(crate) fn new(given: Vec<Given>, known: &'static [&'static str]) -> Result<Self> {
        for (index, option) in given.iter().enumerate() {
            let Some(name) = &option.name else { continue };
            if !known.contains(&name.to_string().as_str()) {
                return Err(unknown(name, known));
            }
            if given[..index]
                .iter()
                .any(|earlier| earlier.name.as_ref() == Some(name))
            {
                return Err(Error::new(option.span, format!("`{name}` is given twice")));
            }
        }
        Ok(Self { given, known })
    }

    fn take(&mut self, name: &str) -> Option<Given> {
        debug_assert!(self.known.contains(&name));
        let index = self
            .given
            .iter()
            .position(|option| option.name.as_ref().is_some_and(|own| own == name))?;
        Some(self.given.remove(index))
    }

    /// A text without a name, such as the URI in `#[resource("docs://readme")]`.
    pub(crate) fn unnamed(&mut self) -> Result<Option<LitStr>> {
        let Some(index) = self.given.iter().position(|option| option.name.is_none()) else {
            return Ok(None);
        };
        text(self.given.remove(index)).map(Some)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<LitStr>> {
        self.take(name).map(text).transpose()
    }

    pub(crate) fn expression(&mut self, name: &str) -> Result<Option<Expr>> {
        let Some(option) = self.take(name) else {
            return Ok(None);
        };
        match option.value {
            Value::Assigned(expression) => Ok(Some(*expression)),
            _ => Err(Error::new(option.span, format!("write `{name} = …`"))),
        }
    }

    /// `flag`, `flag = true` or `flag = false`.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>> {
        let Some(option) = self.take(name) else {
            return Ok(None);
        };
        match option.value {
            Value::Flag => Ok(Some(true)),
            Value::Assigned(expression) => match *expression {
                Expr::Lit(ExprLit {
                    lit: Lit::Bool(value),
                    ..
                }) => Ok(Some(value.value)),
                _ => Err(Error::new(
                    option.span,
                    format!("write `{name}`, `{name} = true` or `{name} = false`"),
                )),
            },
            Value::List(_) => Err(Error::new(option.span, format!("`{name}` takes no list"))),
        }
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<LitStr>> {
        let Some(option) = self.take(name) else {
            return Ok(Vec::new());
        };
        match option.value {
            Value::List(list) if !list.is_empty() => Ok(list),
            _ => Err(Error::new(
                option.span,
                format!("write `{name}(\"…\", \"…\")`"),
            )),
        }
    }

    /// Every option was taken; a leftover text has no place.
    pub(crate) fn finish(self) -> Result<()> {
        match self.given.into_iter().next() {
            None => Ok(()),
            Some(option) => Err(Error::new(
                option.span,
                "a text needs a name here, such as `title = \"…\"`",
            )),
        }
    }
}

fn text(option: Given) -> Result<LitStr> {
    let name = option
        .name
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    match option.value {
        Value::Assigned(expression) => match *expression {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Ok(text),
            _ => Err(Error::new(
                option.span,
                format!("`{name}` is a string literal"),
            )),
        },
        _ => Err(Error::new(option.span, format!("write `{name} = \"…\"`"))),
    }
}

fn unknown(name: &Ident, known: &[&str]) -> Error {
    let list: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    Error::new(
        name.span(),
        format!(
            "unknown option `{name}`; the options here are {}",
            list.join(", ")
        ),
    )
}
