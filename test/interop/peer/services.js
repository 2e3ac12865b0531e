"use strict";

// The services which a test may ask a peer to host. `send` writes a line to the test.

const { Readable } = require("node:stream");
const { setTimeout: delay } = require("node:timers/promises");

function errorFields({ name, message, code, type, data, retryable, nodeID }) {
	return { name, message, code, type, data, retryable, nodeID };
}

function restore(broker, error) {
	return broker.errorRegenerator.restore(error, { sender: broker.nodeID });
}

// An action that fails `times` times for each `key` before it succeeds, and tells its attempts either way.
function flaky() {
	const attempts = {};
	return ({ broker, params: { key, times, retryable } }) => {
		attempts[key] = (attempts[key] ?? 0) + 1;
		if (attempts[key] > times) return { attempts: attempts[key] };
		throw restore(broker, {
			name: "MoleculerServerError", message: "not yet", code: 500, type: "FLAKY", retryable, data: { attempts: attempts[key] }
		});
	};
}

// An action that answers once `count` calls with the same `key` are here.
function gather() {
	const meetings = {};
	return ({ params: { key, count } }) =>
		new Promise(resolve => {
			const here = (meetings[key] ??= []);
			here.push(resolve);
			if (here.length === count) here.forEach(leave => leave(count));
		});
}

const services = {
	math: () => ({
		name: "math",
		actions: {
			add: {
				params: { a: "number", b: "number" },
				handler: ctx => ctx.params.a + ctx.params.b
			}
		}
	}),

	// What a callee sees of a call, and the ways in which it may answer.
	probe: (_, send) => ({
		name: "probe",
		actions: {
			echo: {
				handler({ params, meta, requestID, parentID, caller, level, options, headers }) {
					return { params, meta: { ...meta }, requestID, parentID, caller, level, timeout: options.timeout, headers };
				}
			},

			// Answers with its params.
			same: { handler: ctx => ctx.params },

			// Adds its params to the meta which goes back to the caller.
			meta: {
				handler(ctx) {
					Object.assign(ctx.meta, ctx.params);
				}
			},

			// Does so and fails.
			metaError: {
				handler(ctx) {
					Object.assign(ctx.meta, ctx.params);
					throw restore(ctx.broker, { name: "MoleculerClientError", message: "no", code: 400, type: "NO", retryable: false });
				}
			},

			// Throws the error which its params describe as an error is described on the wire.
			error: {
				handler({ broker, params }) {
					throw restore(broker, params);
				}
			},

			// Fails as a programming mistake does.
			mistake: { handler: ctx => ctx.params.no.such.thing },

			// Calls another action and tells how that went, and its own meta after it.
			relay: {
				async handler(ctx) {
					const { action, params, opts, meta, rethrow } = ctx.params;
					Object.assign(ctx.meta, meta);
					const outcome = { id: ctx.id };
					try {
						outcome.data = await ctx.call(action, params, opts);
					} catch (err) {
						if (rethrow) throw err;
						outcome.error = errorFields(err);
					}
					return { ...outcome, meta: { ...ctx.meta } };
				}
			},

			// Calls another action when its own time is over, and reports how that went.
			late: {
				async handler(ctx) {
					await delay(ctx.options.timeout + 20);
					const error = await ctx.call(ctx.params.action).then(() => null, errorFields);
					send({ event: "event", name: "late", data: error });
				}
			},

			// Emits an event from within a call.
			emit: { handler: ctx => ctx.emit(ctx.params.name, ctx.params.data) },

			flaky: { handler: flaky() },

			// The same, announced with a policy for its callers.
			patient: { retryPolicy: { enabled: true, retries: 2, delay: 5, maxDelay: 5, factor: 1 }, handler: flaky() },

			gather: { handler: gather() },

			slow: {
				async handler(ctx) {
					await delay(ctx.params.ms);
					return ctx.params;
				}
			},

			// Takes longer than it may.
			limited: { timeout: 60, handler: () => delay(1000) },

			// Makes `count` calls at once.
			fan: {
				handler: ctx => Promise.all(Array.from({ length: ctx.params.count }, () => ctx.call(ctx.params.action, ctx.params.params)))
			},

			// Has all that an announcement tells.
			described: {
				rest: "GET /described", params: { q: "string|optional" }, timeout: 5000, description: "does nothing",
				handler() {}
			},

			big: { handler: ctx => "x".repeat(ctx.params.bytes) },
			streamed: { handler: () => Readable.from(["a", "b"]) },
			guarded: { visibility: "protected", handler: () => "guarded" },
			hidden: { visibility: "private", handler: () => "hidden" }
		}
	}),

	// Tells which node was called.
	where: () => ({
		name: "where",
		actions: {
			where: { handler: ctx => ctx.broker.nodeID },

			// Fails on one node.
			elsewhere: {
				handler({ broker, params }) {
					if (broker.nodeID !== params.than) return broker.nodeID;
					throw restore(broker, { name: "MoleculerRetryableError", message: "not here", code: 500, type: "NOT_HERE", retryable: true });
				}
			}
		}
	}),

	// Tells by which name it was called.
	named: ({ action }) => ({
		name: "named",
		actions: { [action]: { handler: ctx => ctx.action.name } }
	}),

	// Reports every event which matches `pattern`.
	listener: ({ pattern, group }, send) => ({
		name: "listener",
		events: {
			[pattern]: {
				group,
				handler(ctx) {
					send({
						event: "event",
						listener: this.name,
						name: ctx.eventName,
						type: ctx.eventType,
						groups: ctx.eventGroups,
						data: ctx.params,
						meta: ctx.meta,
						sender: ctx.nodeID,
						requestID: ctx.requestID,
						parentID: ctx.parentID,
						caller: ctx.caller,
						level: ctx.level
					});
				}
			}
		}
	}),

	// An integration as the gateway sees it: it answers with what arrived.
	echohook: () => ({
		name: "echohook",
		settings: {},
		actions: {
			i_receiveWebhook: {
				rest: "POST /:channelId",
				handler: ctx => ({ params: ctx.params, meta: { ...ctx.meta } })
			},
			plain: {
				rest: "POST /plain/:id",
				handler: ctx => ctx.params
			}
		}
	})
};

module.exports = { services, errorFields };
