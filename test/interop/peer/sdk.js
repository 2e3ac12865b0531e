"use strict";

// The factory of the Node SDK, for the tests that compare it with this node's. It is written from what was published of the
// SDK alone, the differences between its versions 0.1.4 and 0.1.5 and the handbook of 0.1.4, and takes no decision of this
// project's. What neither shows stands here in its plainest form and is marked [not shown].

const { timingSafeEqual } = require("node:crypto");
const { setTimeout: delay } = require("node:timers/promises");

const NAMESPACE = (process.env.NAMESPACE ?? "hios").toLowerCase(); // [not shown]: where it comes from

const INTEGRATION_CHANNELS = {
	MESSAGE_RECEIVED: `${NAMESPACE}.processing.message.received`,
	MESSAGE_SENT: `${NAMESPACE}.processing.message.sent`,
	MESSAGE_FAILED: `${NAMESPACE}.processing.message.failed`
};

// [not shown]: the values. @moleculer/channels heeds such options of a consumer only, not of who sends.
const CHANNEL_CONFIG = { HIGH_PRIORITY: {}, DEFAULTS: {} };

const SecurityHelpers = {
	secureCompare(a, b) {
		const [left, right] = [Buffer.from(a), Buffer.from(b)]; // [not shown]: how; that its time tells nothing is
		return left.length === right.length && timingSafeEqual(left, right);
	},

	validateTimestamp(timestamp, maxAgeMs = 5 * 60 * 1000) {
		return Date.now() - timestamp <= maxAgeMs;
	}
};

const FIRST_WAIT = 10; // [not shown]: ms, doubled each time

async function executeWithRetry(attempt, times) {
	for (let n = 1; ; n++) {
		try {
			return await attempt();
		} catch (err) {
			if (n === times) throw err;
			await delay(FIRST_WAIT * 2 ** (n - 1));
		}
	}
}

function integrationActions(config) {
	const { platform } = config.spec;

	return {
		i_receiveWebhook: {
			rest: { method: "POST", path: "/:channelId" },
			params: { channelId: "string", payload: "object", headers: "object", timestamp: "number" },
			async handler(ctx) {
				const { channelId, payload, headers, timestamp } = ctx.params;
				const webhook = { tenantId: ctx.meta.tenantId ?? "unknown", channelId, platform, payload, headers, timestamp };

				// [not shown]: the words of these errors
				if (!SecurityHelpers.validateTimestamp(webhook.timestamp)) throw new Error("Webhook timestamp too old");
				if (config.validateWebhook && !config.validateWebhook(webhook)) throw new Error("Invalid webhook payload");
				if (config.validateSignature && !config.validateSignature(webhook)) throw new Error("Invalid webhook signature");

				const messages = await config.normalize(webhook);
				const results = await Promise.allSettled(
					messages.map(message =>
						ctx.broker.sendToChannel(
							INTEGRATION_CHANNELS.MESSAGE_RECEIVED,
							{ tenantId: webhook.tenantId, channelId, platform, message, timestamp: Date.now() },
							CHANNEL_CONFIG.HIGH_PRIORITY
						)
					)
				);
				const count = status => results.filter(result => result.status === status).length;
				return { success: true, messages: count("fulfilled"), failed: count("rejected") };
			}
		},

		i_sendMessage: {
			rest: { method: "POST", path: "/send" },
			params: { message: "object", channelId: "string" },
			async handler(ctx) {
				const { message, channelId } = ctx.params;
				const channel = await config.getChannelConfig(ctx, channelId);
				if (!channel) throw new Error(`Channel configuration not found: ${channelId}`);
				const result = await executeWithRetry(() => config.sendMessage(ctx, message, channel), 3);

				const of = { tenantId: channel.tenantId, channelId, platform };
				try {
					if (result.success) {
						const { messageId, metadata } = result;
						const sent = { ...of, messageId, metadata, timestamp: Date.now() };
						await ctx.broker.sendToChannel(INTEGRATION_CHANNELS.MESSAGE_SENT, sent, CHANNEL_CONFIG.DEFAULTS);
					} else {
						const failed = { ...of, error: result.error?.message ?? "Unknown error", message, timestamp: Date.now() };
						await ctx.broker.sendToChannel(INTEGRATION_CHANNELS.MESSAGE_FAILED, failed, CHANNEL_CONFIG.DEFAULTS);
					}
				} catch (err) {
					ctx.broker.logger.warn("Failed to send message event to channel", { error: err.message });
				}
				return result;
			}
		},

		i_healthCheck: {
			rest: { method: "GET", path: "/health" },
			async handler(ctx) { // [not shown]: all of it
				const channel = ctx.params.channelId && (await config.getChannelConfig(ctx, ctx.params.channelId));
				return channel && config.checkHealth ? config.checkHealth(ctx, channel) : { status: "healthy" };
			}
		},

		i_verifyWebhook: {
			rest: { method: "GET", path: "/webhook" },
			async handler(ctx) { // [not shown]: what becomes of a refusal
				const { mode, token, challenge } = ctx.params;
				const answer = config.verifyWebhook?.({ mode, token, challenge });
				if (!answer) throw new Error("Webhook verification failed");
				return answer;
			}
		},

		i_validateCredentials: {
			params: { credentials: "object" },
			async handler(ctx) { // [not shown]: all of it
				return { valid: config.validateCredentials ? await config.validateCredentials(ctx.params.credentials) : true };
			}
		},

		i_status: { // of 0.1.4
			rest: { method: "GET", path: "/status" },
			handler() {
				const { id, name, platform, version, status, capabilities } = config.spec;
				return { id, name, platform, version, status, capabilities };
			}
		}
	};
}

function defineIntegration(config) {
	return { name: config.name, settings: config.settings, actions: { ...config.actions, ...integrationActions(config) }, spec: config.spec };
}

module.exports = { defineIntegration, SecurityHelpers };
