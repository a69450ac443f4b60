// Stands in for @node-rs/crc32 in a bundle: the one addon of the platform that is built for, where the
// package itself looks for whichever is there. `crc32-addon` is an alias that bundle.ts gives.
module.exports = require('crc32-addon');
