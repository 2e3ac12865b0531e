"use strict";

const { ServiceBroker } = require("moleculer");

const broker = new ServiceBroker({
	namespace: process.env.NAMESPACE ?? "hios",
	transporter: process.env.NATS_URL ?? "nats://127.0.0.1:4222",
	logLevel: process.env.LOG_LEVEL ?? "info",
	// A node that died answers no more: a call is given up after a while and, where all that is behind this gateway bears
	// being called twice, made again on another node. Webhooks do.
	requestTimeout: Number(process.env.REQUEST_TIMEOUT ?? 10000),
	retryPolicy: { enabled: true, retries: Number(process.env.RETRIES ?? 0) }
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
