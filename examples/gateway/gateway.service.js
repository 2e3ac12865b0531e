"use strict";

const { isUtf8 } = require("node:buffer");
const ApiGateway = require("moleculer-web");
const { ServiceUnavailableError } = ApiGateway.Errors;

// Platforms sign the bytes they sent. Parsing and re-serialising JSON changes them, so each body parser keeps them.
function keepRawBody(req, res, bytes) {
	req.rawBody = bytes;
}

// A Moleculer packet is JSON text: bytes that are not UTF-8 would be damaged in it, so they travel as base64.
function rawBodyParams(bytes) {
	if (bytes === undefined) return {};
	return isUtf8(bytes)
		? { rawBody: bytes.toString("utf8") }
		: { rawBody: bytes.toString("base64"), rawBodyEncoding: "base64" };
}

// Node gives set-cookie as an array; every other header is a string already.
function stringHeaders(headers) {
	return Object.fromEntries(
		Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value])
	);
}

// The path of a webhook without its channel: that of its service.
function parentPath(req) {
	return (req.originalUrl ?? req.url).split("?")[0].replace(/\/[^/]*\/?$/, "");
}

// What 404 says of a service that is not there, not of what a service has looked for.
const noService = ["SERVICE_NOT_FOUND", "SERVICE_NOT_AVAILABLE", "NOT_FOUND"];

module.exports = {
	name: "api",
	mixins: [ApiGateway],

	settings: {
		port: Number(process.env.PORT ?? 3000),
		ip: process.env.HOST ?? "127.0.0.1",

		routes: [
			{
				path: "/",
				autoAliases: true,
				// Only what a service publishes with `rest`; no action is reachable by its name alone.
				mappingPolicy: "restrict",
				bodyParsers: {
					json: { limit: "3mb", verify: keepRawBody },
					urlencoded: { limit: "3mb", extended: true, verify: keepRawBody }
				},

				onBeforeCall(ctx, route, req) {
					// The address of the direct peer. Behind a proxy of your own, read the header which that proxy sets;
					// do not trust X-Forwarded-For from anyone.
					ctx.meta.clientIP = req.socket.remoteAddress;
					ctx.meta.userAgent = req.headers["user-agent"];

					if (!req.$action?.name.endsWith(".i_receiveWebhook")) return;
					this.webhookPaths.add(parentPath(req));

					// moleculer-web merges body, query and path into one object, where a query parameter overwrites the
					// field of the body with its name. A webhook gets its parts apart instead.
					req.$params = {
						channelId: req.$params.channelId,
						payload: req.body ?? {},
						headers: stringHeaders(req.headers),
						timestamp: Date.now(),
						...rawBodyParams(req.rawBody)
					};
				}
			}
		]
	},

	created() {
		this.webhookPaths = new Set();
	},

	methods: {
		// While no node has a platform, its routes are gone, and a webhook would be answered with 404: some platforms take that
		// for good and do not send it again. 503 makes all of them.
		sendError(req, res, err) {
			const away = err.code === 404 && noService.includes(err.type ?? "NOT_FOUND") && this.webhookPaths.has(parentPath(req));
			return ApiGateway.methods.sendError.call(this, req, res, away ? new ServiceUnavailableError() : err);
		}
	},

	actions: {
		// moleculer-web publishes its route table at GET /api/list-aliases. Services may still ask for it, the web may not.
		listAliases: { rest: false }
	}
};
