"use strict";

// The platform Parrot, as examples/parrot has it in Go, as an author writes it for the Node SDK, after the example of its
// handbook: secrets of webhooks are those of the service. As a program it is peer.js with a service "parrot", whose params
// are {channels: {id: IntegrationConfig}, webhookSecret, verifyToken, apiBase}.

const { createHash, createHmac } = require("node:crypto");
const { defineIntegration, SecurityHelpers } = require("./sdk.js");
const { services } = require("./services.js");

const API = "https://api.parrot.example";

function post(path, credentials, settings, body) {
	return fetch((settings?.apiBase || API) + path, {
		method: "POST",
		headers: { Authorization: `Bearer ${credentials.apiKey ?? ""}`, "Content-Type": "application/json" },
		body: JSON.stringify(body)
	});
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
		timestamp: webhook.timestamp,
		platform: "parrot"
	};
	if (!readable || !message.id || !message.content.text) {
		message.id = createHash("sha256").update(JSON.stringify(item)).digest("hex");
		message.content = { type: "UNSUPPORTED", unsupported: { platformType: "message" } };
		message.metadata = { raw: item };
	}
	return { ...message, dedupKey: message.id };
}

const parrot = ({ channels, webhookSecret, verifyToken, apiBase }) =>
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

		async getChannelConfig(ctx, channelId) {
			if (channelId === "lost") throw new Error("the database is away");
			return channels[channelId] ?? null;
		},

		validateWebhook: ({ payload }) => payload.messages == null || Array.isArray(payload.messages),

		// A webhook of 0.1.5 has no rawBody: what was signed can only be guessed, by writing the payload as JSON once more.
		validateSignature({ payload, headers }) {
			const want = createHmac("sha256", webhookSecret).update(JSON.stringify(payload)).digest("hex");
			return SecurityHelpers.secureCompare(String(headers["x-parrot-signature"] ?? ""), want);
		},

		normalize: async webhook => (webhook.payload.messages ?? []).map(item => normalizeMessage(item, webhook)),

		async sendMessage(ctx, message, { credentials, settings }) {
			if (message.content?.type !== "TEXT") return { success: false, error: new Error("Parrot takes text only") };
			const response = await post("/v1/messages", credentials, settings, { chat: text(message.to?.id), text: message.content.text ?? "" });
			if (!response.ok) return { success: false, error: new Error(`Parrot API error: ${await response.text()}`) };
			return { success: true, messageId: text((await response.json()).id) };
		},

		verifyWebhook: ({ mode, token, challenge }) => (mode === "subscribe" && token === verifyToken ? challenge : null),

		async checkHealth(ctx, { credentials, settings }) {
			const response = await post("/v1/me", credentials, settings, null);
			return { status: response.ok ? "healthy" : "unhealthy", message: response.ok ? `the bot is ${(await response.json()).id}` : "Parrot API error" };
		},

		validateCredentials: async credentials => (await post("/v1/me", credentials, { apiBase }, null)).ok
	});

module.exports = parrot;

if (require.main === module) {
	services.parrot = parrot;
	require("./peer.js");
}
