"use strict";

// The services which a test may ask a peer to host. `send` writes a line to the test.

const { setTimeout: delay } = require("node:timers/promises");

module.exports = {
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
	probe: () => ({
		name: "probe",
		actions: {
			echo: {
				handler({ params, meta, requestID, parentID, caller, level, options }) {
					return { params, meta: { ...meta }, requestID, parentID, caller, level, timeout: options.timeout };
				}
			},

			// Adds its params to the meta which goes back to the caller.
			meta: {
				handler(ctx) {
					Object.assign(ctx.meta, ctx.params);
				}
			},

			// Throws the error which its params describe as an error is described on the wire.
			error: {
				handler({ broker, params }) {
					throw broker.errorRegenerator.restore(params, { sender: broker.nodeID });
				}
			},

			slow: {
				async handler(ctx) {
					await delay(ctx.params.ms);
					return ctx.params;
				}
			}
		}
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
						name: ctx.eventName,
						type: ctx.eventType,
						groups: ctx.eventGroups,
						data: ctx.params,
						meta: ctx.meta,
						sender: ctx.nodeID,
						requestID: ctx.requestID,
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
