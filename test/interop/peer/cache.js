"use strict";

// A Node broker with Moleculer's Redis cacher for the interoperability tests, driven by JSON lines as peer.js is. It
// belongs to no cluster: what it shares with Go nodes is the Redis.
// Environment: REDIS_URL, NAMESPACE. Moleculer is that of the working directory.

const { Console } = require("node:console");
const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");
const start = require("./start.js");

const requireHere = createRequire(path.join(process.cwd(), "package.json"));
const { ServiceBroker } = requireHere("moleculer");

globalThis.console = new Console(process.stderr);

const broker = new ServiceBroker({
	namespace: process.env.NAMESPACE,
	logLevel: "warn",
	skipProcessEventRegistration: true,
	cacher: { type: "Redis", options: { redis: process.env.REDIS_URL } }
});

// posts.find answers with its params and says how often it ran. posts.none answers null.
let ran = 0;
broker.createService({
	name: "posts",
	actions: {
		find: {
			cache: { keys: ["id", "#tenant"], ttl: 60 },
			handler: ctx => ({ ran: ++ran, params: ctx.params })
		},
		none: {
			cache: { keys: ["id"] },
			handler: () => (ran++, null)
		}
	}
});

// The texts are parsed here so that they arrive as their author wrote them. undefined is what a caller left out.
const parsed = text => (text ? JSON.parse(text) : undefined);

const ops = {
	start: () => start(broker),

	key({ action, keys, params, meta, headers, maxParamsLength = null }) {
		const { cacher } = broker;
		cacher.opts.maxParamsLength = maxParamsLength;
		const ctx = { params: parsed(params), meta: parsed(meta) ?? {}, headers: parsed(headers) ?? {} };
		return broker.PROTOCOL_VERSION === "4"
			? cacher.getCacheKey(action, ctx.params, ctx.meta, keys)
			: cacher.getCacheKey({ name: action }, { keys }, ctx);
	},

	async call({ action, params, meta }) {
		const data = await broker.call(action, params, { meta });
		return { data, ran };
	},

	set: ({ key, value, ttl }) => broker.cacher.set(key, value, ttl),
	get: ({ key }) => broker.cacher.get(key),
	clean: ({ pattern }) => broker.cacher.clean(pattern)
};

async function answer(line) {
	const { id, op, ...args } = JSON.parse(line);
	try {
		process.stdout.write(JSON.stringify({ id, ok: true, result: await ops[op](args) }) + "\n");
	} catch (err) {
		process.stdout.write(JSON.stringify({ id, ok: false, error: { name: err.name, message: err.message } }) + "\n");
	}
}

readline
	.createInterface({ input: process.stdin })
	.on("line", answer)
	.on("close", async () => {
		await broker.stop();
		process.exit(0);
	});
