//! Tasks: requests that go on after their answer.
//!
//! One model for both forms: the experimental tasks of 2025-11-25 (`ttl`, `pollInterval`, a result that wraps the task)
//! and the extension `io.modelcontextprotocol/tasks` (`ttlMs`, `pollIntervalMs`, a result that is the task).

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::json::Json;
use crate::macros::{wire_enum, wire_struct};
use crate::map::Object;
use crate::message::ErrorObject;
use crate::meta::Meta;
use crate::mrtr::{InputRequests, InputResponses, ResultType};
use crate::revision::Revision;
use crate::wire::Wire;
use crate::writer::Writer;

/// The identifier of the tasks extension in `capabilities.extensions`.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

wire_enum! {
    /// Where a task stands (schema `TaskStatus`).
    pub enum TaskStatus {
        /// It runs.
        Working = "working",
        /// It waits for input.
        InputRequired = "input_required",
        /// It is done and has a result.
        Completed = "completed",
        /// It failed and has an error.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

impl TaskStatus {
    /// True if the status will not change any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

wire_struct! {
    /// A task (schemas `Task` and, with the members for its status, `DetailedTask`). Also the answer to `tasks/get`,
    /// the answer to `tasks/cancel` of 2025-11-25, and the parameters of the status notification.
    pub struct Task {
        required {
            /// The task's id.
            task_id: String = "taskId";
            /// Where it stands.
            status: TaskStatus = "status";
            /// When it began, in ISO 8601.
            created_at: String = "createdAt";
            /// When it last changed, in ISO 8601.
            last_updated_at: String = "lastUpdatedAt";
            /// For how many milliseconds from its beginning it is kept; `None` for ever.
            ttl_ms: Option<u64> = "ttlMs" legacy "ttl" via MaybeUnsigned;
        }
        optional {
            /// What is going on, for people.
            status_message / with_status_message: String = "statusMessage";
            /// How many milliseconds to wait between two `tasks/get`.
            poll_interval_ms / with_poll_interval_ms: u64 = "pollIntervalMs" legacy "pollInterval" via MaybeUnsigned;
            /// What it waits for, if [`TaskStatus::InputRequired`] (extension).
            input_requests / with_input_requests: InputRequests = "inputRequests" since V2026_07_28;
            /// Its result, if [`TaskStatus::Completed`] (extension).
            result / with_result: Json = "result" since V2026_07_28;
            /// Its error, if [`TaskStatus::Failed`] (extension).
            error / with_error: ErrorObject = "error" since V2026_07_28;
            /// What kind of result this is; the protocol core sets it.
            result_type / with_result_type: ResultType = "resultType" since V2026_07_28;
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}

/// The answer to `tasks/get`.
pub type GetTaskResult = Task;

/// Parameters of `notifications/tasks/status` (2025-11-25) and `notifications/tasks` (extension).
pub type TaskStatusNotificationParams = Task;

/// The answer to a request that became a task (schema `CreateTaskResult`): up to 2025-11-25 an object around the task,
/// in the extension the task itself with the result type `task`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CreateTaskResult {
    /// The new task.
    pub task: Task,
    /// Metadata of the result.
    pub meta: Option<Meta>,
    /// Members of the wrapping object that the model does not know.
    pub extra: Object,
}

impl CreateTaskResult {
    /// Creates the result.
    #[must_use]
    pub fn new(task: impl Into<Task>) -> Self {
        Self {
            task: task.into(),
            meta: None,
            extra: Object::new(),
        }
    }

    /// Sets `_meta`.
    #[must_use]
    pub fn with_meta(mut self, meta: impl Into<Meta>) -> Self {
        self.meta = Some(meta.into());
        self
    }
}

impl Wire for CreateTaskResult {
    fn write_at(&self, revision: Revision, out: &mut Writer) {
        if revision.is_modern() {
            let mut task = self.task.clone();
            task.result_type = Some(ResultType::Task);
            task.meta.clone_from(&self.meta);
            for (key, value) in self.extra.iter() {
                task.extra.insert(key, value.clone());
            }
            return task.write_at(revision, out);
        }
        let mut object = out.object();
        self.task.write_at(revision, object.named("task"));
        if let Some(meta) = self.meta.as_ref().filter(|meta| meta.present_at(revision)) {
            meta.write_at(revision, object.named("_meta"));
        }
        for (key, value) in self
            .extra
            .iter()
            .filter(|(key, _)| !matches!(*key, "task" | "_meta"))
        {
            object.named(key).raw(value);
        }
        object.end();
    }
}

impl<'de> Deserialize<'de> for CreateTaskResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Object::deserialize(deserializer)?;
        if let Some(task) = members.remove("task") {
            let meta = members.remove("_meta").filter(|meta| !meta.is_null());
            return Ok(Self {
                task: task.decode().map_err(D::Error::custom)?,
                meta: meta
                    .map(|meta| meta.decode())
                    .transpose()
                    .map_err(D::Error::custom)?,
                extra: members,
            });
        }
        let mut task: Task = Json::from(members).decode().map_err(D::Error::custom)?;
        task.result_type = None;
        Ok(Self {
            meta: task.meta.take(),
            task,
            extra: Object::new(),
        })
    }
}

wire_struct! {
    /// Asks for a request to become a task (schema `TaskMetadata`, 2025-11-25).
    pub struct TaskMetadata {
        required {}
        optional {
            /// For how many milliseconds the task should be kept.
            ttl / with_ttl: u64 = "ttl" via MaybeUnsigned;
        }
    }
}

wire_struct! {
    /// Names the task to which a message belongs (schema `RelatedTaskMetadata`, 2025-11-25), under
    /// [`keys::RELATED_TASK`](crate::meta::keys::RELATED_TASK).
    pub struct RelatedTaskMetadata {
        required {
            /// The task's id.
            task_id: String = "taskId";
        }
        optional {}
    }
}

wire_struct! {
    /// Parameters of `tasks/get`, `tasks/cancel` and `tasks/result`.
    pub struct TaskRequestParams {
        required {
            /// The task's id.
            task_id: String = "taskId";
        }
        optional {
            /// Metadata; since 2026-07-28 it carries the request's context and is required.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// Parameters of `tasks/update` (extension): answers to what the task waits for.
    pub struct UpdateTaskRequestParams {
        required {
            /// The task's id.
            task_id: String = "taskId";
            /// The answers, by the server's keys.
            input_responses: InputResponses = "inputResponses";
        }
        optional {
            /// The request's context.
            meta / with_meta: Meta = "_meta";
        }
    }
}

wire_struct! {
    /// The answer to `tasks/list` (schema `ListTasksResult`, 2025-11-25).
    pub struct ListTasksResult {
        required {
            /// One page of tasks.
            tasks: Vec<Task> = "tasks";
        }
        optional {
            /// Where the next page begins; absent on the last one.
            next_cursor / with_next_cursor: String = "nextCursor";
            /// Metadata.
            meta / with_meta: Meta = "_meta";
        }
    }
}
