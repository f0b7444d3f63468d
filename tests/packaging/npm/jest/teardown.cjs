module.exports = require("tokentape").globalTeardown;
