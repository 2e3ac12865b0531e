"use strict";

// The factory of the Node SDK, after its contract, for the tests that compare it with this node's. It is no copy of the
// SDK: where the contract leaves a point open, the decision that this project made for it stands here too.

const { createHash, createHmac, randomUUID, timingSafeEqual } = require("node:crypto");
const { setTimeout: delay } = require("node:timers/promises");
const { MoleculerClientError, MoleculerRetryableError, MoleculerServerError, ValidationError } = require("moleculer").Errors;

const NAMESPACE = (process.env.NAMESPACE ?? "hios").toLowerCase();

const INTEGRATION_CHANNELS = {
	MESSAGE_RECEIVED: `${NAMESPACE}.processing.message.received`,
	MESSAGE_SENT: `${NAMESPACE}.processing.message.sent`,
	MESSAGE_FAILED: `${NAMESPACE}.processing.message.failed`
};
const DEAD_LETTERS = "FAILED_MESSAGES";

const CHANNEL_CONFIG = {
	DEFAULTS: { maxInFlight: 10, maxRetries: 3, deadLettering: { enabled: true, queueName: DEAD_LETTERS } },
	HIGH_PRIORITY: { maxInFlight: 50, maxRetries: 5, deadLettering: { enabled: true, queueName: DEAD_LETTERS } }
};

const MAX_AGE = 5 * 60_000;
const MAX_CLOCK_SKEW = 60_000;
const MAX_ATTEMPTS = 3;
const FIRST_BACKOFF = 500;
const MAX_WAIT = 10_000;

const STATUS = {
	invalid: 400, unauthorized: 401, forbidden: 403, not_found: 404,
	throttled: 429, transient: 503, auth: 502, permanent: 422, unknown: 504
};

// What may be wrong, by what a caller can do about it.
class IntegrationError extends Error {
	constructor(kind, code, message, { retryAfterMs, platformCode, httpStatus, cause } = {}) {
		super(message, { cause });
		Object.assign(this, { kind, code, retryAfterMs, platformCode, httpStatus });
	}

	get retryable() {
		return this.kind === "throttled" || this.kind === "transient";
	}

	get outcome() {
		return this.kind === "unknown" ? "unknown" : "not_delivered";
	}

	toMoleculer() {
		const { kind, code, message, retryAfterMs, platformCode, httpStatus } = this;
		const tried = !["invalid", "unauthorized", "forbidden", "not_found"].includes(kind);
		const data = present({ kind, outcome: tried ? this.outcome : undefined, retryAfterMs, platformCode, httpStatus });
		const status = STATUS[kind];
		const Class = this.retryable ? MoleculerRetryableError : status < 500 ? MoleculerClientError : MoleculerServerError;
		// Moleculer takes any server error for one that may pass.
		return Object.assign(new Class(message, status, code, data), { retryable: this.retryable });
	}
}

// Makes a text fit into one header.
const oneLine = text => text.replace(/[\r\n]/g, " ");

// Leaves out what is not there.
function present(object) {
	return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined && value !== ""));
}

function asIntegrationError(err, kind, code) {
	return err instanceof IntegrationError ? err : new IntegrationError(kind, code, err.message, { cause: err });
}

const SecurityHelpers = {
	secureCompare(got, want) {
		const hash = text => createHash("sha256").update(text ?? "").digest();
		return timingSafeEqual(hash(got), hash(want)) && Boolean(want);
	},

	validHmacSha256(secret, body, signature) {
		if (!secret || !/^[0-9a-f]{64}$/i.test(signature ?? "")) return false;
		return timingSafeEqual(createHmac("sha256", secret).update(body).digest(), Buffer.from(signature, "hex"));
	}
};

// The bytes that the platform sent, from the params or from ctx.meta; undefined where neither has them.
function rawBodyOf(ctx) {
	const { rawBody, rawBodyEncoding = "" } = ctx.params.rawBody ? ctx.params : ctx.meta;
	if (!rawBody) return undefined;
	switch (rawBodyEncoding.toLowerCase()) {
		case "":
		case "utf8":
		case "utf-8":
			return Buffer.from(rawBody);
		case "base64":
			if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(rawBody))
				throw new IntegrationError("invalid", "RAW_BODY_INVALID", "rawBody is not valid base64");
			return Buffer.from(rawBody, "base64");
		default:
			throw new IntegrationError("invalid", "RAW_BODY_INVALID", "rawBodyEncoding must be utf8 or base64");
	}
}

// Names in lower case, repeated headers joined.
function headersOf(headers) {
	const readable = value => value === null || typeof value === "string" || typeof value === "number";
	const entries = Object.entries(headers).map(([name, value]) => {
		const values = Array.isArray(value) ? value : [value];
		if (!values.every(readable)) throw new IntegrationError("invalid", "HEADERS_INVALID", "headers must be an object of strings");
		return [name.toLowerCase(), values.map(v => String(v ?? "")).join(", ")];
	});
	return Object.fromEntries(entries);
}

function webhookOf(ctx, spec, channel) {
	const { channelId, timestamp } = ctx.params;
	const headers = headersOf(ctx.params.headers);
	const rawBody = rawBodyOf(ctx);
	let { payload } = ctx.params;
	if (rawBody?.length) {
		try {
			payload = JSON.parse(rawBody); // what was signed is what is read
		} catch (cause) {
			// A form is no JSON, and the gateway's payload is what it holds.
			if (rawBody.toString().trimStart().startsWith("{"))
				throw new IntegrationError("invalid", "WEBHOOK_INVALID", "the raw body is not valid JSON", { cause });
		}
	}
	return { tenantId: channel.tenantId, channelId, platform: spec.platform, payload, headers, timestamp, rawBody, channel };
}

function validateTimestamp(timestamp) {
	const age = Date.now() - timestamp;
	if (age > MAX_AGE) throw new IntegrationError("invalid", "WEBHOOK_TOO_OLD", "the webhook's timestamp is more than 5m0s ago");
	if (age < -MAX_CLOCK_SKEW)
		throw new IntegrationError("invalid", "WEBHOOK_FROM_FUTURE", "the webhook's timestamp lies in the future; it counts milliseconds since 1970");
}

// Has a check of the platform's pass: it may answer with false or throw.
async function pass(check, kind, code) {
	try {
		if (await check()) return;
	} catch (err) {
		throw asIntegrationError(err, kind, code);
	}
	throw new IntegrationError(kind, code, "the webhook was refused");
}

// The trace of an event. Of ctx.meta only ids go along, for the rest may hold secrets.
function traceOf(ctx, { tenantId, channelId }) {
	const { userId, requestId } = ctx.meta;
	const { id, requestID, tracing, level, service } = ctx;
	return { id, requestID, tracing, level, service, meta: present({ tenantId, channelId, userId, requestId }) };
}

// The server will never take this event, however often it comes.
function isPermanent(err) {
	const MESSAGE_TOO_LARGE = 10054;
	return err.code === "MAX_PAYLOAD_EXCEEDED" || err.api_error?.err_code === MESSAGE_TOO_LARGE;
}

async function executeWithRetry(send) {
	for (let attempt = 1; ; attempt++) {
		try {
			return { result: checked(await send()), attempts: attempt };
		} catch (thrown) {
			const err = asIntegrationError(thrown, "unknown", "SEND_FAILED");
			const backoff = FIRST_BACKOFF * 2 ** (attempt - 1);
			const wait = Math.max(err.retryAfterMs ?? 0, backoff * (0.5 + Math.random() / 2));
			if (attempt === MAX_ATTEMPTS || !err.retryable || wait > MAX_WAIT) return { err, attempts: attempt };
			await delay(wait);
		}
	}
}

// A SendResult may tell of a failure too.
function checked(result) {
	if (result.success) return result;
	const { message = "the platform did not take the message", code = "SEND_FAILED", class: kind = "permanent" } = result.error ?? {};
	throw new IntegrationError(kind, code, message, result.error);
}

function integrationActions(config) {
	const { spec } = config;

	// An active channel of this platform; one without a tenant belongs to the caller's.
	async function loadChannel(ctx, channelId) {
		let channel;
		try {
			channel = await config.getChannelConfig(ctx, channelId);
		} catch (cause) {
			throw new IntegrationError("transient", "CHANNELS_UNAVAILABLE", "the channel store cannot be read at the moment", { cause });
		}
		if (channel?.platform !== spec.platform)
			throw new IntegrationError("not_found", "CHANNEL_NOT_FOUND", `there is no ${spec.platform} channel "${channelId}"`);
		if (channel.status !== "ACTIVE")
			throw new IntegrationError("forbidden", "CHANNEL_INACTIVE", `channel "${channelId}" is switched off`);
		return { ...channel, tenantId: channel.tenantId || (ctx.meta.tenantId ?? "unknown") };
	}

	const msgIDOf = (channel, key) => `${spec.platform}:${channel.id}:${key}`;

	function publish(ctx, channel, name, options, msgID, payload, headers = {}) {
		const of = { tenantId: channel.tenantId, channelId: channel.id, platform: spec.platform };
		return ctx.broker.sendToChannel(name, { ...of, ...payload, timestamp: Date.now() }, {
			...options, headers, ctx: traceOf(ctx, of), msgID: oneLine(msgID)
		});
	}

	async function publishReceived(ctx, webhook, messages) {
		const { channel } = webhook;
		const keyOf = message => message.dedupKey || message.id || randomUUID();
		const results = await Promise.allSettled(
			messages.map(message =>
				publish(ctx, channel, INTEGRATION_CHANNELS.MESSAGE_RECEIVED, CHANNEL_CONFIG.HIGH_PRIORITY, msgIDOf(channel, keyOf(message)), {
					message: { ...message, platform: spec.platform }
				})
			)
		);
		let failed = 0;
		let lost = 0;
		for (const [i, { status, reason }] of results.entries()) {
			if (status === "fulfilled") continue;
			if (!isPermanent(reason)) {
				lost++;
				continue;
			}
			failed++;
			const { id: messageId, conversationId, dedupKey } = messages[i];
			await publish(ctx, channel, DEAD_LETTERS, {}, `dead:${msgIDOf(channel, keyOf(messages[i]))}`, {
				error: reason.message, metadata: { messageId, conversationId, dedupKey }
			}, {
				"x-original-channel": ctx.broker.channelAdapter.addPrefixTopic(INTEGRATION_CHANNELS.MESSAGE_RECEIVED),
				"x-error-message": reason.message
			});
		}
		if (lost > 0) {
			throw new MoleculerRetryableError(
				`${lost + failed} of ${messages.length} messages could not be stored; send the webhook again`, 503, "EVENTS_UNAVAILABLE"
			);
		}
		return { success: true, messages: messages.length - failed, failed };
	}

	// What became of a send is told as well as it can be, and changes nothing of it.
	async function publishOutcome(ctx, channel, name, outcome, payload) {
		try {
			await publish(ctx, channel, name, CHANNEL_CONFIG.DEFAULTS, msgIDOf(channel, `${outcome}:${randomUUID()}`), payload);
		} catch (err) {
			ctx.broker.logger.warn("Failed to send message event to channel", { error: err.message, platform: spec.platform });
		}
	}

	const actions = {
		i_receiveWebhook: {
			rest: { method: "POST", path: "/:channelId" },
			params: {
				channelId: "string", payload: "object", headers: "object", timestamp: "number",
				rawBody: "string|optional", rawBodyEncoding: "string|optional"
			},
			async handler(ctx) {
				const webhook = webhookOf(ctx, spec, await loadChannel(ctx, ctx.params.channelId));
				validateTimestamp(webhook.timestamp);
				if (config.validateWebhook) await pass(() => config.validateWebhook(webhook), "invalid", "WEBHOOK_INVALID");
				if (config.validateSignature) await pass(() => config.validateSignature(webhook), "unauthorized", "SIGNATURE_INVALID");
				let messages;
				try {
					messages = await config.normalize(webhook);
				} catch (err) {
					throw asIntegrationError(err, "invalid", "WEBHOOK_INVALID");
				}
				return publishReceived(ctx, webhook, messages);
			}
		},

		i_sendMessage: {
			rest: { method: "POST", path: "/send" },
			params: { message: "object", channelId: "string" },
			async handler(ctx) {
				const { message, channelId } = ctx.params;
				const channel = await loadChannel(ctx, channelId);
				const { result, err, attempts } = await executeWithRetry(() => config.sendMessage(ctx, message, channel));
				if (result) {
					const { messageId, metadata } = result;
					await publishOutcome(ctx, channel, INTEGRATION_CHANNELS.MESSAGE_SENT, "sent", { messageId, metadata });
					return result;
				}
				const { kind, code, outcome, retryable, platformCode, httpStatus } = err;
				await publishOutcome(ctx, channel, INTEGRATION_CHANNELS.MESSAGE_FAILED, "failed", {
					error: err.message, message, retryCount: attempts - 1 || undefined, metadata: { code, kind, outcome }
				});
				if (!["permanent", "auth", "invalid"].includes(kind)) throw err;
				return { success: false, error: present({ message: err.message, code, class: kind, retryable, platformCode, httpStatus }) };
			}
		},

		i_healthCheck: {
			rest: { method: "GET", path: "/health" },
			params: { channelId: "string|optional" },
			async handler(ctx) {
				const { channelId } = ctx.params;
				if (!channelId) return { status: "healthy", message: `${spec.name} is running; name a channelId to check a channel` };
				const channel = await loadChannel(ctx, channelId);
				if (!config.checkHealth) return { status: "healthy", message: "this platform has no health check of its own" };
				try {
					return await config.checkHealth(ctx, channel);
				} catch (thrown) {
					const { kind, code, message } = asIntegrationError(thrown, "transient", "HEALTH_CHECK_FAILED");
					return { status: kind === "throttled" ? "degraded" : "unhealthy", message, details: { code, kind } };
				}
			}
		},

		i_verifyWebhook: {
			rest: [{ method: "GET", path: "/webhook" }, { method: "GET", path: "/:channelId" }],
			params: {
				channelId: "string|optional", mode: "string|optional", token: "string|optional", challenge: "string|optional",
				"hub.mode": "string|optional", "hub.verify_token": "string|optional", "hub.challenge": "string|optional"
			},
			async handler(ctx) {
				const { params } = ctx;
				const refused = new IntegrationError("forbidden", "VERIFICATION_FAILED", "the verification was refused: mode, token and channel must match");
				if (!config.verifyWebhook || !params.channelId) throw refused;
				const channel = await loadChannel(ctx, params.channelId);
				const challenge = await config.verifyWebhook({
					mode: params.mode || params["hub.mode"],
					token: params.token || params["hub.verify_token"],
					challenge: params.challenge || params["hub.challenge"]
				}, channel);
				if (!challenge) throw refused;
				ctx.meta.$statusCode = 200;
				ctx.meta.$responseType = "text/plain; charset=utf-8";
				ctx.meta.$responseHeaders = { "X-Content-Type-Options": "nosniff" };
				return challenge;
			}
		},

		i_validateCredentials: {
			params: { credentials: "object", settings: "object|optional" },
			async handler(ctx) {
				if (!config.validateCredentials) throw new MoleculerClientError(`${config.name} cannot check credentials`, 501, "NOT_SUPPORTED");
				for (const name of ["credentials", "settings"]) {
					if (Object.values(ctx.params[name] ?? {}).every(value => typeof value === "string")) continue;
					throw new ValidationError("Parameters validation error!", null, [
						{ type: "string", message: `The '${name}' must hold strings only.`, field: name, nodeID: ctx.nodeID, action: ctx.action.name }
					]);
				}
				try {
					return { valid: await config.validateCredentials(ctx.params.credentials, ctx.params.settings) };
				} catch (err) {
					throw asIntegrationError(err, "transient", "CREDENTIALS_UNCHECKED");
				}
			}
		},

		i_status: {
			rest: { method: "GET", path: "/status" },
			handler: () => spec
		}
	};
	for (const action of Object.values(actions)) action.handler = withTypedErrors(action.handler);
	return actions;
}

// Callers get Moleculer's errors.
function withTypedErrors(handler) {
	return async function (ctx) {
		try {
			return await handler.call(this, ctx);
		} catch (err) {
			throw err instanceof IntegrationError ? err.toMoleculer() : err;
		}
	};
}

// A plain service. Datasources and the cache are not what is compared here.
function defineService({ datasources, cache, ...schema }) {
	return schema;
}

// The service of a platform: the author's own actions stay beside the standard ones.
function defineIntegration(config) {
	const {
		spec, normalize, getChannelConfig, sendMessage, validateWebhook, validateSignature, verifyWebhook, checkHealth, validateCredentials,
		...service
	} = config;
	return { ...defineService({ ...service, actions: { ...service.actions, ...integrationActions(config) } }), spec };
}

module.exports = { defineIntegration, defineService, IntegrationError, SecurityHelpers };
