"use strict";

// A Node service that consumes what is received, as @moleculer/channels has it. It appends each message's text to the file
// SEEN and refuses poisoned ones. Environment: NATS_URL, NAMESPACE, NODE_ID, SEEN, READY (a file that is made when it consumes),
// MODULES (a folder with moleculer and @moleculer/channels).

const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const { NATS_URL, NAMESPACE, NODE_ID, SEEN, READY, MODULES } = process.env;
const requireThere = createRequire(path.join(MODULES, "package.json"));
const { ServiceBroker } = requireThere("moleculer");

// The adapter lets what fails while NATS is away escape, such as the moving of a dead letter: the message comes again.
process.on("unhandledRejection", err => console.error("escaped:", err?.message));

const seen = fs.openSync(SEEN, "a");

const broker = new ServiceBroker({
	namespace: NAMESPACE,
	nodeID: NODE_ID,
	transporter: NATS_URL,
	logLevel: "warn",
	middlewares: [
		requireThere("@moleculer/channels").Middleware({
			adapter: {
				type: "NATS",
				options: { nats: { url: NATS_URL, connectionOptions: { maxReconnectAttempts: -1, reconnectTimeWait: 250, pingInterval: 5000 } } }
			}
		})
	]
});

broker.createService({
	name: "archive",
	channels: {
		"hios.processing.message.received": {
			group: "archive",
			maxInFlight: 64,
			maxRetries: 2,
			deadLettering: { enabled: true, queueName: "FAILED_MESSAGES" },
			handler({ message }) {
				fs.writeSync(seen, message.content.text + "\n");
				if (message.content.text.includes("poison")) throw new Error("this message is poisoned");
			}
		}
	}
});

broker.start().then(
	() => fs.writeFileSync(READY, ""),
	err => {
		console.error(err);
		process.exit(1);
	}
);
