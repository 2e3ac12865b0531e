"use strict";

const { isUtf8 } = require("node:buffer");
const { createHash } = require("node:crypto");
const ApiGateway = require("moleculer-web");
const { ServiceUnavailableError, UnAuthorizedError, ERR_NO_TOKEN, ERR_INVALID_TOKEN } = ApiGateway.Errors;

// What the platforms call. Everything else that a service publishes can send messages or tell about channels, so it asks
// for a user.
const webhookActions = /\.(i_receiveWebhook|i_verifyWebhook)$/;
const otherActions = /\.(?!(?:i_receiveWebhook|i_verifyWebhook)$)[^.]+$/; // a blacklist does not go with autoAliases

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

// The payload is the parsed body where that is a JSON object or a form. Everything else, such as lists, multipart and XML,
// goes as raw bytes only: the platform reads those.
function payloadOf(body) {
	const isObject = body !== null && typeof body === "object" && !Array.isArray(body) && !Buffer.isBuffer(body);
	return isObject ? body : {};
}

// Node gives set-cookie as an array; every other header is a string already.
function stringHeaders(headers) {
	return Object.fromEntries(
		Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value])
	);
}

// The channel in the path. A query parameter of that name is none: it is the platform's, see docs/channels.md.
function channelOf(req) {
	return req.$alias.path.endsWith("/:channelId") ? req.$params.channelId : undefined;
}

// The path of a webhook without its channel is that of its service.
function servicePaths(req) {
	const path = (req.originalUrl ?? req.url).split("?")[0].replace(/\/$/, "");
	return [path, path.replace(/\/[^/]*$/, "")];
}

// The types of a 404 that means that no node has the service, as opposed to what a service itself did not find.
const noService = ["SERVICE_NOT_FOUND", "SERVICE_NOT_AVAILABLE", "NOT_FOUND"];

// The user of each token in API_USERS, which is a JSON object: {"<SHA-256 of the token in hex>": {"id": "ops", …}}.
// Tokens are kept as hashes, so that the environment of the process does not give them away.
function readUsers(json) {
	return new Map(Object.entries(JSON.parse(json || "{}")));
}

// What both routes do before a call.
function describeCaller(ctx, req) {
	// The address of the direct peer. Behind a proxy of your own, read the header which that proxy sets;
	// do not trust X-Forwarded-For from anyone.
	ctx.meta.clientIP = req.socket.remoteAddress;
	ctx.meta.userAgent = req.headers["user-agent"];
}

module.exports = {
	name: "api",
	mixins: [ApiGateway],

	settings: {
		port: Number(process.env.PORT ?? 3000),
		ip: process.env.HOST ?? "127.0.0.1",

		routes: [
			// Open to the internet: platforms cannot log in, they sign their webhooks instead.
			{
				name: "webhooks",
				path: "/",
				whitelist: [webhookActions],
				autoAliases: true,
				// Only what a service publishes with `rest`; no action is reachable by its name alone.
				mappingPolicy: "restrict",
				bodyParsers: {
					// Not strict: a webhook may be any JSON.
					json: { limit: "3mb", strict: false, type: ["application/json", "application/*+json"], verify: keepRawBody },
					urlencoded: { limit: "3mb", extended: true, verify: keepRawBody },
					// What neither of them took: multipart, XML, text.
					raw: { limit: "3mb", type: () => true, verify: keepRawBody }
				},
				// A node that died answers no more, and Moleculer notices that after half a minute. A webhook is safe to repeat,
				// so it is soon given to another node, while the platform still waits. This needs `retryPolicy.enabled` in the
				// options of the broker.
				callOptions: {
					timeout: Number(process.env.WEBHOOK_TIMEOUT ?? 2500),
					retries: Number(process.env.WEBHOOK_RETRIES ?? 2)
				},

				onBeforeCall(ctx, route, req) {
					describeCaller(ctx, req);
					if (!req.$action.name.endsWith(".i_receiveWebhook")) return;

					// moleculer-web merges body, query and path into one object, where a query parameter overwrites the
					// field of the body with its name. A webhook gets its parts apart instead.
					req.$params = {
						channelId: channelOf(req),
						payload: payloadOf(req.body),
						headers: stringHeaders(req.headers),
						method: req.method,
						url: req.originalUrl ?? req.url,
						timestamp: Date.now(),
						...rawBodyParams(req.rawBody)
					};
				}
			},

			// For people and programs of yours: sends, health, channels, and what other services publish.
			{
				name: "api",
				path: "/",
				whitelist: [otherActions],
				autoAliases: true,
				mappingPolicy: "restrict",
				authentication: true,
				authorization: true,
				bodyParsers: { json: { limit: "3mb" } },
				onBeforeCall(ctx, route, req) {
					describeCaller(ctx, req);
				}
			}
		]
	},

	created() {
		this.users = readUsers(process.env.API_USERS); // no setting: a node tells the cluster its settings
		const services = process.env.WEBHOOK_SERVICES ?? "telegram,whatsapp,slack,discord";
		this.webhookPaths = new Set(services.split(",").map(name => `/${name.trim()}`));
	},

	events: {
		// Platforms with other names are learned when their node is first seen.
		"$api.aliases.regenerated"() {
			for (const { action, fullPath } of this.aliases) {
				if (action?.endsWith(".i_receiveWebhook")) this.webhookPaths.add(fullPath.replace(/\/(:[^/]+)?$/, ""));
			}
		}
	},

	methods: {
		// authenticate gives the user of a token in the header Authorization. Replace it with what you have: a JWT, a session.
		// Switchboard reads id, tenantId, roles and permissions of ctx.meta.user: a user with a tenantId reaches the channels
		// of that tenant only.
		authenticate(ctx, route, req) {
			const token = /^Bearer\s+(\S+)$/i.exec(req.headers.authorization ?? "")?.[1];
			return token ? this.users.get(createHash("sha256").update(token).digest("hex")) : null;
		},

		// authorize refuses calls without a user. What a user may do is up to the services, which know its permissions.
		authorize(ctx, route, req) {
			if (!ctx.meta.user) throw new UnAuthorizedError(req.headers.authorization ? ERR_INVALID_TOKEN : ERR_NO_TOKEN);
		},

		// While no node has a platform, its routes are gone, and a webhook would be answered with 404. Some platforms take
		// that for good and do not send it again. All of them repeat after 503.
		sendError(req, res, err) {
			const webhook = ["GET", "POST"].includes(req.method) && servicePaths(req).some(path => this.webhookPaths.has(path));
			const away = webhook && err.code === 404 && noService.includes(err.type ?? "NOT_FOUND");
			return ApiGateway.methods.sendError.call(this, req, res, away ? new ServiceUnavailableError() : err);
		}
	},

	actions: {
		// moleculer-web publishes its route table at GET /api/list-aliases. Services may still ask for it, the web may not.
		listAliases: { rest: false }
	}
};
