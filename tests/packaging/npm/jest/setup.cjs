module.exports = require("tokentape").globalSetup();
