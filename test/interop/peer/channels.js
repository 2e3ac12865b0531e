"use strict";

// peer.js with services that keep channels for Go nodes, and that share memoised results with them.

const { services } = require("./services.js");

// A service that has the channels, as applications have it: with the SDK's IntegrationConfig, null for what
// it does not know, and an error for what it knows to be gone. It reports each question.
services.channels = ({ known }, send) => ({
	name: "channels",
	actions: {
		get: {
			params: { id: "string" },
			handler(ctx) {
				const { id } = ctx.params;
				send({ event: "asked", channel: id, requestID: ctx.requestID, caller: ctx.caller, meta: ctx.meta });
				if (!id.startsWith("gone")) return known[id] ?? null;
				throw ctx.broker.errorRegenerator.restore(
					{ name: "MoleculerError", message: "no such integration", code: 404, type: "INTEGRATION_NOT_FOUND", retryable: false },
					{ sender: ctx.broker.nodeID }
				);
			}
		}
	}
});

// Memoised results, the same as those of the Go service of this name but for `by`. Cleaning them is left to Go.
services.posts = () => {
	let ran = 0;
	return {
		name: "posts",
		actions: {
			find: {
				cache: { keys: ["id", "#tenantId"], ttl: 60 },
				handler: ctx => ({ by: "node", ran: ++ran, id: ctx.params.id })
			}
		}
	};
};

require("./peer.js");
