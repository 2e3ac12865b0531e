"use strict";

// Runs params through Moleculer's own validator. stdin: [{schema, params}], params as the text of their JSON.
// stdout: [{ok, params, faults}], params as an action would get them, or [{error}] for a schema that does not compile.

const { text } = require("stream/consumers");
const { Validators } = require("moleculer");

const validator = new Validators.Fastest();

function run({ schema, params }) {
	try {
		const check = validator.compile(schema);
		const value = JSON.parse(params) ?? {}; // as Moleculer's middleware does
		const result = check(value);
		return result === true ? { ok: true, params: value } : { ok: false, faults: result };
	} catch (err) {
		return { error: String(err) };
	}
}

text(process.stdin).then(input => process.stdout.write(JSON.stringify(JSON.parse(input).map(run))));
