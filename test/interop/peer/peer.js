"use strict";

// A Node Moleculer node for the interoperability tests, driven by JSON lines:
//   stdin   {id, op, ...}
//   stdout  {id, ok: true, result} or {id, ok: false, error, meta}, and on its own account {event, ...}
//   stderr  the broker's log
// Environment: NATS_URL, NAMESPACE, NODE_ID, LOG_LEVEL, OPTIONS (JSON, more broker options), CHANNELS=1 (loads
// @moleculer/channels), CHANNELS_PREFIX (its `prefix`; unset leaves the default, "" is an explicit empty prefix).
// The end of stdin stops the broker gracefully.
// Moleculer is that of the working directory, so that this one source serves its lines 0.14 and 0.15.

const { Console } = require("node:console");
const { once, EventEmitter } = require("node:events");
const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");
const { Readable } = require("node:stream");
const loads = require("./load.js");
const start = require("./start.js");
const { services, errorFields } = require("./services.js");

const requireHere = createRequire(path.join(process.cwd(), "package.json"));
const { Context, ServiceBroker } = requireHere("moleculer");

const { NATS_URL, NAMESPACE, NODE_ID, LOG_LEVEL, OPTIONS, CHANNELS, CHANNELS_PREFIX } = process.env;

globalThis.console = new Console(process.stderr);

function send(line) {
	process.stdout.write(JSON.stringify(line) + "\n");
}

process.on("uncaughtException", err => {
	console.error(err);
	send({ event: "crash", error: errorFields(err) });
	process.exit(1);
});

function channelsMiddleware() {
	return requireHere("@moleculer/channels").Middleware({
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
		await start(broker);
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

	// A call with a request stream: of bytes, the chunks in base64, or of objects. `failure` ends it with an error.
	async callStream({ action, chunks, objectMode = false, failure, params, opts }) {
		const stream = Readable.from(
			(async function* () {
				for (const chunk of chunks) yield objectMode ? chunk : Buffer.from(chunk, "base64");
				if (failure) throw new Error(failure);
			})(),
			{ objectMode }
		);
		stream.on("error", () => {}); // Moleculer tells the callee of it
		return broker.PROTOCOL_VERSION === "4" ? broker.call(action, stream, opts) : broker.call(action, params, { ...opts, stream });
	},

	// How many of `count` calls, `atOnce` of them at a time, succeed and fail, and in how many milliseconds.
	async bench({ action, params, opts, count, atOnce }) {
		const result = { ok: 0, failed: 0 };
		let left = count;
		const began = performance.now();
		await Promise.all(
			Array.from({ length: atOnce }, async () => {
				while (left-- > 0) {
					await broker.call(action, params, opts).then(
						() => result.ok++,
						() => result.failed++
					);
				}
			})
		);
		return { ...result, ms: performance.now() - began };
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

	ping: ({ nodeID, timeout }) => broker.ping(nodeID, timeout),

	// One PING to all at once, as Moleculer's latency strategy sends it; each PONG is a local event "$node.pong".
	pingAll: () => broker.transit.sendPing(),

	services: ({ params }) => broker.call("$node.services", params),
	actions: ({ params }) => broker.call("$node.actions", params),
	nodes: ({ params }) => broker.call("$node.list", params),

	// `failure` makes the handler fail with it each time.
	async consume({ channel, group, options, failure }) {
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
							if (failure) throw new Error(failure);
						}
					}
				}
			});
		});
	},

	// Sends as a handler with this meta does, within a trace of its own.
	async sendToChannel({ channel, payload, meta }) {
		const ctx = new Context(broker);
		Object.assign(ctx.meta, meta);
		ctx.requestID = ctx.id;
		await broker.sendToChannel(channel, payload, { ctx });
		return ctx.requestID;
	},

	// A service of services.js; `schema` changes its name, version, settings…
	createService: ({ name, params, schema }) => createService({ ...services[name](params ?? {}, send), ...schema }),

	removeService: ({ name }) => broker.destroyService(name),

	...loads(broker),

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
