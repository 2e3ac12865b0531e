"use strict";

// A Node Moleculer node for the interoperability tests, driven by JSON lines:
//   stdin   {id, op, ...}
//   stdout  {id, ok: true, result} or {id, ok: false, error, meta}, and on its own account {event, ...}
//   stderr  the broker's log
// Environment: NATS_URL, NAMESPACE, NODE_ID, LOG_LEVEL, OPTIONS (JSON, more broker options), CHANNELS=1 (loads
// @moleculer/channels), CHANNELS_PREFIX (its `prefix`; unset leaves the default, "" is an explicit empty prefix).
// The end of stdin stops the broker gracefully.

const { Console } = require("node:console");
const { once, EventEmitter } = require("node:events");
const readline = require("node:readline");
const { ServiceBroker } = require("moleculer");
const services = require("./services.js");

const { NATS_URL, NAMESPACE, NODE_ID, LOG_LEVEL, OPTIONS, CHANNELS, CHANNELS_PREFIX } = process.env;

globalThis.console = new Console(process.stderr);

function send(line) {
	process.stdout.write(JSON.stringify(line) + "\n");
}

function errorFields({ name, message, code, type, data, retryable, nodeID }) {
	return { name, message, code, type, data, retryable, nodeID };
}

process.on("uncaughtException", err => {
	console.error(err);
	send({ event: "crash", error: errorFields(err) });
	process.exit(1);
});

function channelsMiddleware() {
	return require("@moleculer/channels").Middleware({
		adapter: {
			type: "NATS",
			options: { nats: { url: NATS_URL }, prefix: CHANNELS_PREFIX }
		}
	});
}

const broker = new ServiceBroker({
	namespace: NAMESPACE,
	nodeID: NODE_ID,
	transporter: NATS_URL,
	logLevel: LOG_LEVEL ?? "warn",
	skipProcessEventRegistration: true,
	middlewares: CHANNELS === "1" ? [channelsMiddleware()] : [],
	...JSON.parse(OPTIONS ?? "{}")
});

if (CHANNELS === "1") {
	// The middleware subscribes the channels of a late service in the background and nobody sees the outcome.
	// Here `consume` waits for it.
	const adapter = broker.channelAdapter;
	const subscribe = adapter.subscribe.bind(adapter);
	adapter.subscribe = chan => subscribe(chan).then(chan.subscribed, chan.failed);
}

let running = false;
let consumers = 0;
let routes;

async function stop() {
	if (!running) return;
	running = false;
	await broker.stop();
}

async function createService(schema) {
	const service = broker.createService(schema);
	if (running) await broker.waitForServices(service.fullName, 10_000, 10);
}

const ops = {
	async start() {
		await broker.start();
		running = true;
	},

	stop,

	async call({ action, params, opts }) {
		const call = broker.call(action, params, opts);
		try {
			return { data: await call, meta: call.ctx?.meta };
		} catch (err) {
			throw Object.assign(err, { callMeta: call.ctx?.meta });
		}
	},

	async waitForServices({ names, timeout }) {
		await broker.waitForServices(names, timeout, 10);
	},

	// Resolves once the gateway routes `method path`. It announces every change of its routes with an event.
	async waitForRoute({ method, path, timeout }) {
		const signal = AbortSignal.timeout(timeout);
		if (!routes) {
			routes = new EventEmitter();
			broker.createService({
				name: "routes",
				events: { "$api.aliases.regenerated": { handler: () => void routes.emit("changed") } }
			});
		}
		await broker.waitForServices("api", timeout, 10);
		for (;;) {
			const changed = once(routes, "changed", { signal });
			changed.catch(() => {});
			const aliases = await broker.call("api.listAliases");
			if (aliases.some(alias => alias.methods === method && alias.fullPath === path)) return;
			await changed;
		}
	},

	ping: ({ nodeID }) => broker.ping(nodeID),
	services: ({ params }) => broker.call("$node.services", params),
	actions: ({ params }) => broker.call("$node.actions", params),
	nodes: ({ params }) => broker.call("$node.list", params),

	async consume({ channel, group, options }) {
		await new Promise((subscribed, failed) => {
			broker.createService({
				name: `consumer-${++consumers}`,
				channels: {
					[channel]: {
						...options,
						group,
						context: true,
						subscribed,
						failed,
						handler(ctx, raw) {
							send({
								event: "message",
								channel,
								subject: raw.subject,
								payload: ctx.params,
								headers: raw.headers && Object.fromEntries(raw.headers),
								meta: ctx.meta,
								requestID: ctx.requestID,
								parentID: ctx.parentID,
								caller: ctx.caller,
								level: ctx.level
							});
						}
					}
				}
			});
		});
	},

	// A service of services.js; `schema` changes its name, version, settings…
	createService: ({ name, params, schema }) => createService({ ...services[name](params ?? {}, send), ...schema }),

	emit: ({ name, data, opts }) => broker.emit(name, data, opts),
	broadcast: ({ name, data, opts }) => broker.broadcast(name, data, opts)
};

async function answer(line) {
	const { id, op, ...args } = JSON.parse(line);
	// A test which gives nothing sends null; JavaScript's defaults want it left out.
	const request = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null));
	try {
		send({ id, ok: true, result: await ops[op](request) });
	} catch (err) {
		send({ id, ok: false, error: errorFields(err), meta: err.callMeta });
	}
}

readline
	.createInterface({ input: process.stdin })
	.on("line", answer)
	.on("close", async () => {
		await stop();
		process.exit(0);
	});
