"use strict";

const { once } = require("node:events");

// start starts a broker and waits for its Redis cacher: one that is not connected yet is done without.
module.exports = async broker => {
	await broker.start();
	if (broker.cacher?.connected === false) await once(broker.cacher.client, "ready");
};
