//! The rows, by what goes wrong.
//!
//! A test is named after its row: `row_19_duplicate_keys…`. A row that applies to byte streams and to HTTP is tried on
//! both, and in both eras. Rows that only a client can have are not here.
//!
//! | rows | what | where |
//! |-|-|-|
//! | 1, 3, 19 to 24 | bytes, JSON, lines | [`json_rpc`]`/syntax` |
//! | 4, 5 | batches and other arrays | [`json_rpc`]`/batches` |
//! | 6 to 11 | ids | [`json_rpc`]`/ids` |
//! | 12 to 16, 27, 28 | answers of a client's | [`json_rpc`]`/answers` |
//! | 17, 18, 25 | methods, parameters, unknown things | [`json_rpc`]`/messages` |
//! | 29 to 33 | metadata and its header | [`versions`]`/metadata` |
//! | 34, 35, 38, 42, 43 | servers and clients of other eras | [`versions`]`/eras` |
//! | 40, 41 | capabilities | [`versions`]`/capabilities` |
//! | 45, 46 | origins and hosts | [`http`]`/origins` |
//! | 47 to 49 | mirrored headers | [`http`]`/mirrors` |
//! | 51, 52, 62, 63 | sessions and replay | [`http`]`/sessions` |
//! | 53, 54 | content types, bodies | [`http`]`/bodies` and `/sockets` |
//! | 55, 57 | peers that are slow or gone | [`http`]`/sockets` |
//! | 56 | clients that leave | [`http`]`/streams` |
//! | 64, 65, 68 | cancels | [`timing`]`/cancellation` |
//! | 69 | handlers that misbehave | [`timing`]`/handlers` |
//! | 70 | progress | [`timing`]`/progress` |
//! | 71 | questions without an answer | [`timing`]`/questions` |
//! | 72, 73 | listen streams | [`timing`]`/subscriptions` |
//! | 74 | log messages | [`timing`]`/logging` |
//! | 75 | peers that die | [`timing`]`/deaths` |
//! | 76 | the end of a byte stream | [`timing`]`/endings`, `tests/processes.rs` |
//! | 78 | clocks that jump | `tests/clock.rs` |
//! | 79, 81, 92 | pages and lists | [`state`]`/pages` |
//! | 82 | sealed state | [`state`]`/sealed`, `tests/replicas.rs` |
//! | 83 to 85 | rounds of questions | [`state`]`/rounds` |
//! | 86, 87 | caching | [`state`]`/caching` |
//! | 88 | schemas | [`state`]`/schemas` |
//! | 89, 90, 93 | errors, structured content, names | [`state`]`/tools` |
//! | 91 | tasks | [`state`]`/tasks` |
//! | `token_…` | tokens | [`authentication`] |
//! | by name | what broke into other implementations | [`security`], `tests/idle_sessions.rs` |

mod authentication;
mod http;
mod json_rpc;
mod security;
mod state;
mod timing;
mod versions;
mod wire;
