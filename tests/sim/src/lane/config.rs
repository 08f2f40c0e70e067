//! What a lane is made of, out of one number.

use core::time::Duration;

use mcp_proto::client::{ClientConfig, ClientProfile};
use mcp_proto::config::{Profile, RevisionSet, ServerConfig};
use mcp_proto::limits::Limits;
use mcp_server::{Resource, Service};
use mcp_types::{
    ClientCapabilities, Implementation, Object, PromptsCapability, ResourcesCapability, Revision,
    ServerCapabilities, ToolsCapability, to_vec,
};
use serde_json::{Value, json};

use crate::model::{client, server};
use crate::op::is_hostile;
use crate::rng::Rng;
use crate::stage::Stage;

/// See the module.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether there are lies and corruption.
    pub hostile: bool,
    /// The revision that the client begins with.
    pub revision: Revision,
    /// Whether the client changes its era on the way.
    pub mixed: bool,
    /// Capacity of the pipes, up and down.
    pub capacity: [usize; 2],
    /// Delay of the pipes in microseconds.
    pub delay: [u64; 2],
    /// Limits of the server's link.
    pub server_limits: Limits,
    /// Limits of the client.
    pub client_limits: Limits,
    server: Profile,
    client: ClientProfile,
}

const LEGACY: [Revision; 4] = [
    Revision::V2025_11_25,
    Revision::V2025_06_18,
    Revision::V2025_03_26,
    Revision::V2024_11_05,
];

impl Config {
    /// The configuration of that number.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        let mut rng = Rng::new(u64::from(seed) ^ 0x6c61_6e65);
        let hostile = is_hostile(seed);
        let revision = if rng.one_in(2) {
            Revision::LATEST
        } else {
            rng.pick(&LEGACY)
        };
        let mut capacity = || {
            const WIDE: usize = 1 << 20;
            rng.pick(&[
                1, 7, 64, 512, 4096, WIDE, WIDE, WIDE, WIDE, WIDE, WIDE, WIDE,
            ])
        };
        let capacity = [capacity(), capacity()];
        let mut delay = || rng.pick(&[0, 0, 0, 0, 0, 0, 100, 20_000, 3_000_000]);
        let delay = [delay(), delay()];
        let mut limits = || Limits {
            max_message: rng.pick(&[700, 1500, 4 << 20]),
            max_calls: rng.pick(&[1, 4, 16, 256, 256]),
            max_requests: rng.pick(&[1, 4, 16, 64, 64]),
            request_timeout: Duration::from_micros(rng.pick(&[1, 1000, 1_000_000, 300_000_000])),
            outbox_high: rng.pick(&[1, 400, 3000, 256 << 10, 256 << 10, 256 << 10]),
            max_listens: rng.pick(&[1, 2, 16]),
            max_uris: rng.pick(&[0, 1, 3, 256]),
            max_uri: rng.pick(&[4, 2048]),
            violations: rng.pick(&[0, 3, 100]),
            progress_interval: Duration::from_micros(rng.pick(&[0, 1, 20_000])),
            ..Limits::default()
        };
        let (mut server_limits, mut client_limits) = (limits(), limits());
        if !hostile {
            // Honest peers keep to what the other one can bear.
            server_limits.max_message = 4 << 20;
            client_limits.max_message = 4 << 20;
            client_limits.max_calls = client_limits.max_calls.max(server_limits.max_requests);
            client_limits.violations = 100;
            server_limits.violations = 100;
        }
        let mut server = Profile::new(Implementation::new("sim", "1.0.0"));
        let tools = !rng.one_in(8);
        let prompts = !rng.one_in(4);
        let resources = !rng.one_in(4);
        let mut capabilities = ServerCapabilities::new();
        if tools {
            capabilities = capabilities.with_tools(ToolsCapability::new().with_list_changed(true));
        }
        if prompts {
            capabilities =
                capabilities.with_prompts(PromptsCapability::new().with_list_changed(true));
        }
        if resources {
            let all = ResourcesCapability::new()
                .with_list_changed(true)
                .with_subscribe(true);
            capabilities = capabilities.with_resources(all);
        }
        if rng.one_in(2) {
            capabilities = capabilities.with_logging(Object::new());
        }
        server.capabilities = capabilities;
        server.revisions = match rng.below(8) {
            0 => RevisionSet::of([Revision::LATEST]),
            1 => RevisionSet::of([rng.pick(&LEGACY), rng.pick(&LEGACY)]),
            _ => RevisionSet::ALL,
        };
        server.limits = server_limits.clone();
        let mut client = ClientProfile::new(Implementation::new("sim-client", "2"));
        let declared = rng.pick(&[
            r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{}}"#,
            r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{}}"#,
            r#"{"elicitation":{"form":{},"url":{}}}"#,
            r#"{"roots":{}}"#,
            "{}",
        ]);
        client.capabilities =
            serde_json::from_str::<ClientCapabilities>(declared).unwrap_or_default();
        client.revision = revision;
        client.limits = client_limits.clone();
        let mixed = rng.one_in(8);
        Self {
            hostile,
            revision,
            mixed,
            capacity,
            delay,
            server_limits,
            client_limits,
            server,
            client,
        }
    }

    /// The machine's configuration; `room` more calls and requests than the model believes.
    #[must_use]
    pub fn server(&self, room: usize) -> ServerConfig {
        let mut profile = self.server.clone();
        profile.limits.max_calls += room;
        ServerConfig::compile(profile)
    }

    /// Serves other revisions.
    pub fn set_revisions(&mut self, revisions: RevisionSet) {
        self.server.revisions = revisions;
    }

    /// A whole server with the handlers of `stage`; `room` more calls than it is judged by.
    #[must_use]
    pub fn service(&self, stage: &Stage, key: Option<[u8; 32]>, room: usize) -> Service {
        let mut limits = self.server_limits.clone();
        limits.max_calls += room;
        let resource = Resource::builder("a://1").name("one").read(|_, _| Ok("1"));
        let mut server = stage
            .server()
            .resource(resource)
            .limits(limits)
            .revisions(self.server.revisions);
        if let Some(key) = key {
            server = server.sealing_key(key);
        }
        match server.build() {
            Ok(service) => service,
            Err(error) => unreachable!("the server of the stage is well formed: {error}"),
        }
    }

    /// The machine's configuration.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        ClientConfig::compile(self.client.clone())
    }

    /// The model's idea of the server.
    #[must_use]
    pub fn server_shape(&self) -> server::Shape {
        let (limits, revisions) = (&self.server_limits, self.server.revisions);
        let legacy = LEGACY
            .into_iter()
            .filter(|r| revisions.contains(*r))
            .map(Revision::as_str);
        let capabilities = &self.server.capabilities;
        server::Shape {
            modern: revisions.contains(Revision::LATEST),
            legacy: legacy.collect(),
            tools: capabilities.tools.is_some(),
            prompts: capabilities.prompts.is_some(),
            resources: capabilities.resources.is_some(),
            logging: capabilities.logging.is_some(),
            max_message: limits.max_message,
            max_calls: limits.max_calls,
            max_requests: limits.max_requests,
            max_listens: limits.max_listens,
            max_uris: limits.max_uris,
            max_uri: limits.max_uri,
            request_timeout: u64::try_from(limits.request_timeout.as_micros()).unwrap_or(u64::MAX),
            progress_interval: u64::try_from(limits.progress_interval.as_micros())
                .unwrap_or(u64::MAX),
            violations: limits.violations,
            outbox_high: limits.outbox_high,
            capabilities: Revision::ALL
                .into_iter()
                .map(|r| (r.as_str(), value(&to_vec(capabilities, r))))
                .collect(),
            info: json!({"name":"sim","version":"1.0.0"}),
        }
    }

    /// The model's idea of the client.
    #[must_use]
    pub fn client_shape(&self) -> client::Shape {
        let (limits, capabilities) = (&self.client_limits, &self.client.capabilities);
        client::Shape {
            max_message: limits.max_message,
            max_requests: limits.max_requests,
            max_calls: limits.max_calls,
            violations: limits.violations,
            outbox_high: limits.outbox_high,
            sampling: capabilities.sampling.is_some(),
            roots: capabilities.roots.is_some(),
            elicitation: capabilities.elicitation.is_some(),
            info: json!({"name":"sim-client","version":"2"}),
            capabilities: value(&to_vec(capabilities, Revision::LATEST)),
        }
    }

    /// Whether the server speaks what the client begins with.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        let revisions = self.server.revisions;
        if self.revision.is_modern() {
            revisions.has_modern()
        } else {
            revisions.has_legacy()
        }
    }
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}
