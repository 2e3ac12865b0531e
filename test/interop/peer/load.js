"use strict";

// A steady load of calls whose answers tell the node that gave them. It is an open loop: calls go out at their
// rate, however slow the answers are. testnode/main.go has the same in Go.

const TICK = 5; // ms

class Load {
	constructor(broker, { action, params, rate, opts }) {
		this.call = () => broker.call(action, params, opts);
		this.report = { sent: 0, ok: 0, pending: 0, slowest: 0, byNode: {}, lastOK: {} };
		this.failed = new Map();
		this.waiters = new Set();
		const began = performance.now();
		this.timer = setInterval(() => {
			const due = Math.floor(((performance.now() - began) * rate) / 1000);
			while (this.report.sent < due) this.one();
			this.look();
		}, TICK);
	}

	async one() {
		const { report } = this;
		const sent = Date.now();
		report.sent++;
		report.pending++;
		try {
			const node = await this.call();
			report.ok++;
			report.byNode[node] = (report.byNode[node] ?? 0) + 1;
			report.lastOK[node] = Math.max(report.lastOK[node] ?? 0, sent);
		} catch (err) {
			this.fail(err, sent);
		}
		report.pending--;
		report.slowest = Math.max(report.slowest, Date.now() - sent);
		this.look();
	}

	fail(err, sent) {
		const { name, code, type, retryable = false, nodeID } = err;
		const kind = { name, code, type, retryable, nodeID: err.data?.nodeID ?? nodeID ?? "" };
		const key = JSON.stringify(kind);
		if (!this.failed.has(key)) this.failed.set(key, { ...kind, count: 0, firstSent: sent, lastSent: sent });
		const failure = this.failed.get(key);
		failure.count++;
		failure.firstSent = Math.min(failure.firstSent, sent);
		failure.lastSent = Math.max(failure.lastSent, sent);
	}

	// Resolves with the report once so many calls were `sent`, or one that was sent at `since` or later was answered, by
	// any node or by `node`.
	until(match) {
		return new Promise(resolve => {
			this.waiters.add({ match, resolve });
			this.look();
		});
	}

	look() {
		for (const waiter of this.waiters) {
			if (!this.fulfils(waiter.match)) continue;
			this.waiters.delete(waiter);
			waiter.resolve(this.told());
		}
	}

	fulfils({ sent = 0, since = 0, node, idle = false }) {
		const { report } = this;
		const last = node ? (report.lastOK[node] ?? 0) : Math.max(0, ...Object.values(report.lastOK));
		return report.sent >= sent && last >= since && !(idle && report.pending > 0);
	}

	told() {
		return { ...structuredClone(this.report), failed: [...this.failed.values()], at: Date.now() };
	}

	// Makes no more calls, and waits for those that are under way.
	async stop() {
		clearInterval(this.timer);
		return this.until({ idle: true });
	}
}

module.exports = broker => {
	let load;
	const departures = {};
	broker.localBus.on("$node.disconnected", ({ node, unexpected }) => {
		departures[node.id] = { at: Date.now(), unexpected };
	});
	return {
		load(args) {
			load = new Load(broker, args);
		},
		loadUntil: match => load.until(match),
		loadStop: () => load.stop(),

		// Does nothing for so long but say so first, as a process does that is short of CPU or computes something.
		stall({ ms }) {
			process.stdout.write(JSON.stringify({ event: "stalled" }) + "\n");
			const end = performance.now() + ms;
			while (performance.now() < end);
		},

		// When this node noticed which others were gone.
		departures: () => departures
	};
};
