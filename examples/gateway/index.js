"use strict";

const { ServiceBroker } = require("moleculer");

const broker = new ServiceBroker({
	namespace: process.env.NAMESPACE ?? "hios",
	transporter: process.env.NATS_URL ?? "nats://127.0.0.1:4222",
	logLevel: process.env.LOG_LEVEL ?? "info"
});

const gateway = broker.createService(require("./gateway.service.js"));

// The broker itself stops gracefully on SIGTERM and SIGINT.
broker.start().then(
	() => {
		const { address, port } = gateway.server.address();
		console.log(`gateway ready http://${address}:${port}`);
	},
	err => {
		console.error(err);
		process.exit(1);
	}
);
