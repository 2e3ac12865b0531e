"use strict";
// The Node.js peer for Discord's Gateway: discord.js hears messages and hands them to @moleculer/channels.
const { Client, GatewayIntentBits } = require("discord.js");
const { ServiceBroker } = require("moleculer");
const { Middleware: Channels } = require("@moleculer/channels");
const { CHANNELS, NS } = require("./integration");

const NATS = process.env.BENCH_NATS;
const broker = new ServiceBroker({
	namespace: NS,
	nodeID: process.env.BENCH_NODE,
	transporter: NATS,
	logLevel: "warn",
	middlewares: [Channels({ adapter: { type: "NATS", options: { prefix: "", nats: { url: NATS } } } })]
});

const client = new Client({
	intents: [
		GatewayIntentBits.Guilds,
		GatewayIntentBits.GuildMessages,
		GatewayIntentBits.GuildMessageReactions,
		GatewayIntentBits.DirectMessages,
		GatewayIntentBits.MessageContent
	],
	rest: { api: process.env.BENCH_DISCORD }
});

client.on("messageCreate", async message => {
	try {
		await broker.sendToChannel(CHANNELS.RECEIVED, {
			tenantId: "tenant-1",
			channelId: "ch-discord",
			platform: "discord",
			message: {
				id: message.id,
				conversationId: message.channelId,
				from: { id: message.author.id, name: message.author.globalName ?? message.author.username },
				to: { id: client.user.id },
				content: { type: "TEXT", text: message.content },
				timestamp: message.createdTimestamp,
				platform: "discord",
				metadata: { guildId: message.guildId, username: message.author.username }
			},
			timestamp: Date.now()
		});
	} catch (err) {
		broker.logger.error("message not published", { error: err.message });
	}
});
client.on("error", err => broker.logger.error(err.message));

broker
	.start()
	.then(() => client.login(process.env.BENCH_DISCORD_TOKEN))
	.then(() => console.log(`ready ${broker.nodeID} pid ${process.pid}`));
