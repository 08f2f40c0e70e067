//! What a server of one's own would do: one small tool per feature.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_lite::future;
use mcp_server::types::{Annotations, ContentBlock, LoggingLevel, ResourceLink, Role, TextContent};
use mcp_server::{AskError, Context, Elicited, Server, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ask::question;

pub(super) fn register(server: Server) -> Server {
    server
        .tool(add)
        .tool(get_weather)
        .tool(count_down)
        .tool(plan_trip)
        .tool(connect_account)
        .tool(write_haiku)
        .tool(list_roots)
        .tool(get_links)
        .tool(get_annotated)
        .tool(get_large_text)
        .tool(checksum)
        .tool(write_log)
        .tool(describe_call)
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    /// What a and b make together
    sum: f64,
}

/// Adds two numbers.
#[tool(read_only, idempotent)]
fn add(
    /// The first addend
    a: f64,
    /// The second addend
    b: f64,
) -> Sum {
    Sum { sum: a + b }
}

#[derive(Serialize, JsonSchema)]
struct Weather {
    city: String,
    /// In degrees Celsius
    temperature: f64,
    conditions: Conditions,
    /// In percent, 0 to 100
    humidity: u8,
    /// The next days, by name
    outlook: BTreeMap<String, Conditions>,
}

#[derive(Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Conditions {
    Sunny,
    Cloudy,
    Rain,
}

/// Invents the weather of a city: structured content with a schema.
#[tool(read_only, idempotent, title = "Weather")]
fn get_weather(
    /// The city's name
    city: String,
) -> Result<Weather, String> {
    if city.trim().is_empty() {
        return Err("city must not be empty".to_owned());
    }
    // The same city always has the same weather.
    let seed = city.bytes().fold(7_u32, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let kinds = [Conditions::Sunny, Conditions::Cloudy, Conditions::Rain];
    let pick = |day: u32| kinds[((seed >> day) % 3) as usize];
    Ok(Weather {
        temperature: f64::from(seed % 350) / 10.0 - 5.0,
        conditions: pick(0),
        humidity: (seed % 101) as u8,
        outlook: ["tomorrow", "the day after"]
            .into_iter()
            .zip(1..)
            .map(|(day, n)| (day.to_owned(), pick(n)))
            .collect(),
        city,
    })
}

/// Counts down with progress; ends early and without an answer when it is cancelled.
#[tool(read_only)]
async fn count_down(
    ctx: Context,
    /// How many steps; 10 if left out
    steps: Option<u32>,
    /// The length of a step in milliseconds; 100 if left out
    #[schemars(range(max = 60_000))]
    interval_ms: Option<u64>,
) -> String {
    let steps = steps.unwrap_or(10).min(10_000);
    let interval = Duration::from_millis(interval_ms.unwrap_or(100));
    for step in 0..steps {
        let left = format!("{} to go", steps - step);
        ctx.progress(f64::from(step), Some(f64::from(steps)), Some(&left));
        let pause = async {
            ctx.sleep(interval).await;
            false
        };
        let cancelled = async {
            ctx.cancelled().await;
            true
        };
        if future::or(cancelled, pause).await {
            return format!("Cancelled after {step} steps");
        }
    }
    ctx.progress(f64::from(steps), Some(f64::from(steps)), Some("Lift-off"));
    format!("Counted {steps} steps")
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Destination {
    /// Where to?
    #[schemars(length(min = 1, max = 80))]
    city: String,
    /// For how many nights?
    #[schemars(range(min = 1, max = 30))]
    nights: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Payment {
    /// How to pay
    method: Method,
    /// Book it now
    confirm: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Method {
    Card,
    Invoice,
}

/// Stands in for a booking system that knows an order by its idempotency key.
fn booking_number(number: u32, byte: u8) -> u32 {
    number.rotate_left(5) ^ u32::from(byte)
}

/// Books an imaginary trip: two forms, one after the other, and one booking number whatever is retried.
#[tool(title = "Plan a trip")]
async fn plan_trip(ctx: Context) -> Result<String, AskError> {
    let Elicited::Accepted(trip) = ctx
        .elicit::<Destination>("destination", "Where would you like to go?")
        .await?
    else {
        return Ok("No trip then.".to_owned());
    };
    // Made once, however often the call is replayed.
    let booking: u32 = ctx
        .once("booking", async |key| key.bytes().fold(1, booking_number))
        .await?;
    let message = format!(
        "{} nights in {}: how would you like to pay?",
        trip.nights, trip.city
    );
    let Elicited::Accepted(payment) = ctx.elicit::<Payment>("payment", message).await? else {
        return Ok(format!("Booking {booking} was dropped."));
    };
    let how = match payment.method {
        Method::Card => "card",
        Method::Invoice => "invoice",
    };
    Ok(if payment.confirm {
        format!(
            "Booking {booking}: {} nights in {}, paid by {how}.",
            trip.nights, trip.city
        )
    } else {
        format!("Booking {booking} is kept for later.")
    })
}

/// Sends the user to a web page and waits for the client's word that it was opened.
#[tool(open_world)]
async fn connect_account(ctx: Context) -> Result<&'static str, AskError> {
    let answer = ctx
        .elicit_url(
            "account",
            "Connect your account in the browser",
            "https://example.com/connect",
        )
        .await?;
    Ok(match answer {
        Elicited::Accepted(()) => "The user agreed to open the page.",
        Elicited::Declined => "The user does not want to connect an account.",
        Elicited::Cancelled => "The user did not answer.",
    })
}

/// Has the client's model write a haiku.
#[tool]
async fn write_haiku(
    ctx: Context,
    /// What it is about
    topic: String,
) -> Result<String, AskError> {
    let answer = ctx
        .sample("haiku", question(format!("Write a haiku about {topic}.")))
        .await?;
    Ok(answer.content.to_text())
}

/// Names the folders that the client works in.
#[tool(read_only)]
async fn list_roots(ctx: Context) -> Result<String, AskError> {
    let roots = ctx.roots("roots").await?;
    if roots.is_empty() {
        return Ok("The client has no roots.".to_owned());
    }
    let lines: Vec<_> = roots
        .iter()
        .map(|root| {
            format!(
                "{}: {}",
                root.name.as_deref().unwrap_or("(unnamed)"),
                root.uri
            )
        })
        .collect();
    Ok(lines.join("\n"))
}

/// Links to resources instead of sending them.
#[tool(read_only)]
fn get_links() -> Vec<ContentBlock> {
    vec![
        ContentBlock::text("These resources can be read:"),
        ResourceLink::new("test://static-text", "static-text")
            .with_title("Static text")
            .with_mime_type("text/plain")
            .into(),
        ResourceLink::new("test://template/42/data", "data-42")
            .with_mime_type("application/json")
            .into(),
    ]
}

/// Returns the same news for the user and for the model, each annotated.
#[tool(read_only)]
fn get_annotated() -> Vec<ContentBlock> {
    let annotated = |text: &str, audience: Role, priority: f64| -> ContentBlock {
        let annotations = Annotations::new()
            .with_audience(vec![audience])
            .with_priority(priority)
            .with_last_modified("2026-07-28T00:00:00Z");
        TextContent::new(text).with_annotations(annotations).into()
    };
    vec![
        annotated("All went well.", Role::User, 1.0),
        annotated("exit status 0, no warnings", Role::Assistant, 0.3),
    ]
}

/// Returns a text of the asked length, to see what a client does with it.
#[tool(read_only)]
fn get_large_text(
    /// How many bytes, at most 8 MiB; 100,000 if left out
    #[schemars(range(max = 8_388_608))]
    bytes: Option<usize>,
) -> String {
    const LINE: &str = "All work and no play makes Jack a dull boy.\n";
    let bytes = bytes.unwrap_or(100_000).min(8 * 1024 * 1024);
    LINE.chars().cycle().take(bytes).collect()
}

/// Computes a checksum on a thread where it may block, so that other calls go on.
#[tool(blocking, read_only, idempotent)]
fn checksum(
    /// What to sum up
    text: String,
    /// How many rounds; more take longer
    #[schemars(range(max = 100_000_000))]
    rounds: Option<u32>,
) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for _ in 0..rounds.unwrap_or(1).clamp(1, 100_000_000) {
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

/// Logs a message at a level; it arrives if the client wants that level.
#[tool(read_only)]
fn write_log(
    ctx: Context,
    /// debug, info, notice, warning, error, critical, alert or emergency
    level: String,
    /// What to log
    message: String,
) -> Result<String, String> {
    let Some(parsed) = LoggingLevel::parse(&level) else {
        return Err(format!(
            "'{level}' is not a level; debug, info, notice, warning, error, critical, alert and emergency are"
        ));
    };
    ctx.log(parsed, Some("everything"), message);
    Ok(format!("Logged at {level}"))
}

#[derive(Serialize, JsonSchema)]
struct Call {
    /// The revision of the protocol that this call speaks
    revision: String,
    /// What the client calls itself, if it said
    client: Option<String>,
    /// Who is calling, if that is known
    principal: Option<String>,
    /// The request's metadata
    meta: BTreeMap<String, serde_json::Value>,
}

/// Tells what the server knows about this very call.
#[tool(read_only)]
fn describe_call(ctx: Context) -> Call {
    let meta = ctx.meta();
    let meta = meta
        .iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value.decode().ok()?)));
    Call {
        revision: ctx.revision().as_str().to_owned(),
        client: ctx
            .client_info()
            .map(|client| format!("{} {}", client.name, client.version)),
        principal: ctx.principal().map(|principal| principal.id.clone()),
        meta: meta.collect(),
    }
}
