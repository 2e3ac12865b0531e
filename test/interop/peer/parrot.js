"use strict";

// The platform Parrot, as examples/parrot has it in Go, written for the Node SDK. As a program it is peer.js with a
// service "parrot", whose params are {channels: {id: IntegrationConfig}}.

const { createHash } = require("node:crypto");
const { defineIntegration, IntegrationError, SecurityHelpers } = require("./sdk.js");
const { services } = require("./services.js");

// Kinds of errors by status; any other leaves it unknown whether the call was carried out.
const KINDS = { 400: "permanent", 401: "auth", 403: "permanent", 404: "permanent", 429: "throttled", 503: "transient" };

// Failures before anything was written.
const NEVER_SENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"];

async function post(path, credentials, settings, body) {
	const url = (settings?.apiBase || "https://api.parrot.example") + path;
	try {
		const response = await fetch(url, {
			method: "POST",
			headers: { Authorization: `Bearer ${credentials.apiKey ?? ""}`, "Content-Type": "application/json" },
			body: JSON.stringify(body),
			redirect: "manual"
		});
		return { response, text: await response.text() };
	} catch ({ cause }) {
		if (NEVER_SENT.includes(cause?.code)) throw new IntegrationError("transient", "PLATFORM_UNREACHABLE", `parrot ${path}: ${cause.message}`);
		throw new IntegrationError(
			"unknown", "PLATFORM_NO_ANSWER",
			`parrot ${path}: the request was sent but not answered (${cause?.message}); it may have been carried out`
		);
	}
}

function parsed(text) {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

// Answers with the id that Parrot gives whatever went well.
async function call(path, credentials, settings, body) {
	const { response, text } = await post(path, credentials, settings, body);
	const id = parsed(text)?.id;
	if (response.status < 300 && isId(id) && id !== "") return String(id);
	const retryAfter = Number(response.headers.get("retry-after"));
	throw new IntegrationError(
		KINDS[response.status] ?? "unknown", `PARROT_${response.status}`, `parrot ${path}: HTTP ${response.status} ${text}`,
		{ httpStatus: response.status, retryAfterMs: retryAfter > 0 ? retryAfter * 1000 : undefined }
	);
}

const isId = value => typeof value === "string" || typeof value === "number";

// A text of what may be a number, and of nothing.
const text = value => (isId(value) ? String(value) : "");

function normalizeMessage(item, webhook) {
	const { id, chat, user, text: body } = item ?? {};
	const readable = [id, chat, user, body].every(value => value == null || isId(value));
	const message = {
		id: text(id),
		conversationId: text(chat),
		from: { id: text(user) },
		to: { id: "" },
		content: { type: "TEXT", text: text(body) },
		timestamp: webhook.timestamp
	};
	if (!readable || !message.id || !message.content.text) {
		message.id = createHash("sha256").update(JSON.stringify(item)).digest("hex");
		message.content = { type: "UNSUPPORTED", unsupported: { platformType: "message" } };
		message.metadata = { raw: item };
	}
	return { ...message, dedupKey: message.id };
}

const parrot = channels =>
	defineIntegration({
		name: "parrot",
		spec: {
			id: "parrot-chat",
			name: "Parrot",
			platform: "parrot",
			version: "1.0.0",
			status: "ACTIVE",
			capabilities: ["SEND_MESSAGE", "RECEIVE_MESSAGE", "WEBHOOK_VALIDATION"]
		},

		getChannelConfig(ctx, channelId) {
			if (channelId === "lost") throw new Error("the database is away");
			return channels[channelId] ?? null;
		},

		validateWebhook({ payload }) {
			if (payload.messages == null || Array.isArray(payload.messages)) return true;
			throw new Error("messages must be a list");
		},

		validateSignature({ rawBody, headers, channel }) {
			if (!rawBody) {
				throw new IntegrationError(
					"invalid", "RAW_BODY_MISSING",
					"the signature covers the raw body, and none came: let the gateway keep it and pass it as rawBody (see examples/gateway)"
				);
			}
			if (SecurityHelpers.validHmacSha256(channel.credentials.webhookSecret, rawBody, headers["x-parrot-signature"])) return true;
			throw new Error("x-parrot-signature must be the body's HMAC-SHA256, in hex, under the channel's webhookSecret");
		},

		normalize: webhook => (webhook.payload.messages ?? []).map(item => normalizeMessage(item, webhook)),

		async sendMessage(ctx, message, channel) {
			if (message.content?.type !== "TEXT") {
				return { success: false, error: { message: "Parrot takes text only", code: "UNSUPPORTED_CONTENT" } };
			}
			const body = { chat: text(message.to?.id), text: message.content.text ?? "" };
			return { success: true, messageId: await call("/v1/messages", channel.credentials, channel.settings, body) };
		},

		verifyWebhook: ({ mode, token, challenge }, channel) =>
			mode === "subscribe" && SecurityHelpers.secureCompare(token, channel.credentials.verifyToken) ? challenge : null,

		async checkHealth(ctx, { credentials, settings }) {
			return { status: "healthy", message: `the bot is ${await call("/v1/me", credentials, settings, null)}` };
		},

		async validateCredentials(credentials, settings) {
			try {
				await call("/v1/me", credentials, settings, null);
				return true;
			} catch (err) {
				if (err.kind === "auth") return false;
				throw err;
			}
		}
	});

module.exports = parrot;

if (require.main === module) {
	services.parrot = ({ channels }) => parrot(channels);
	require("./peer.js");
}
