//! A process that is asked to end, and asked again.
//!
//! Owns the order: the first request begins a graceful end, the second one does not wait for it. How a request comes (a
//! signal, mostly) is the driver's.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Completes when an end was asked for.
#[derive(Debug)]
pub struct Asked(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    asked: bool,
    waker: Option<Waker>,
}

impl Future for Asked {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.asked {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Serves to the end, which begins when `ask` has completed once; `None` if it completes a second time before that.
pub async fn until_insisted<T>(
    mut ask: impl AsyncFnMut(),
    serve: impl AsyncFnOnce(Asked) -> T,
) -> Option<T> {
    let state = Arc::new(Mutex::new(State::default()));
    let mut serving = pin!(serve(Asked(Arc::clone(&state))));
    let mut insisting = pin!(async {
        ask().await;
        let waker = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.asked = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        ask().await;
    });
    let mut insisted = false;
    poll_fn(|cx| {
        if let Poll::Ready(ended) = serving.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        insisted = insisted || insisting.as_mut().poll(cx).is_ready();
        if insisted {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Completes as often as `asks` says.
    async fn next(asks: &Cell<u32>) {
        poll_fn(|_| {
            if asks.get() == 0 {
                return Poll::Pending;
            }
            asks.set(asks.get() - 1);
            Poll::Ready(())
        })
        .await;
    }

    #[test]
    fn the_first_request_begins_the_end_and_the_second_does_not_wait_for_it() {
        let (asks, begun) = (Cell::new(0), Cell::new(false));
        let mut serving = pin!(until_insisted(
            async || next(&asks).await,
            async |asked| {
                asked.await;
                begun.set(true);
                std::future::pending::<()>().await
            }
        ));
        assert!(poll(serving.as_mut()).is_pending());
        asks.set(1);
        assert!(poll(serving.as_mut()).is_pending());
        assert!(poll(serving.as_mut()).is_pending());
        assert!(begun.get());
        asks.set(1);
        assert_eq!(poll(serving.as_mut()), Poll::Ready(None));
    }

    #[test]
    fn what_ends_by_itself_says_how() {
        let asks = Cell::new(0);
        let mut serving = pin!(until_insisted(async || next(&asks).await, async |_| 7));
        assert_eq!(poll(serving.as_mut()), Poll::Ready(Some(7)));
    }
}
