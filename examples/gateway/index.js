"use strict";

const { ServiceBroker, Strategies } = require("moleculer");

// A call that is made again goes to another node than the one that has just failed, where there is one. Round robin alone
// often leads back to it while other calls are made in between.
class AnotherNode extends Strategies.RoundRobin {
	select(list, ctx) {
		const others = ctx?._retryAttempts > 0 ? list.filter(endpoint => endpoint.id !== ctx.nodeID) : [];
		return super.select(others.length > 0 ? others : list);
	}
}

const broker = new ServiceBroker({
	namespace: process.env.NAMESPACE ?? "hios",
	transporter: process.env.NATS_URL ?? "nats://127.0.0.1:4222",
	logLevel: process.env.LOG_LEVEL ?? "info",
	registry: { strategy: AnotherNode },
	requestTimeout: Number(process.env.REQUEST_TIMEOUT ?? 10000),
	// Nothing is repeated unless its route says so, as that of webhooks does: not every action is safe to repeat.
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
