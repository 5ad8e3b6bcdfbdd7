// Verifies what stands on standard input, a JSON object of secret, headers and body, with npm's
// standardwebhooks. Ends with 1 where the signature is not accepted.
const { Webhook } = require("standardwebhooks");

const { secret, headers, body } = JSON.parse(require("fs").readFileSync(0, "utf8"));
// It reads the body as JSON once the signature is right; a form is none.
try {
  new Webhook(secret).verify(body, headers);
} catch (error) {
  if (!(error instanceof SyntaxError)) {
    console.error(`standardwebhooks: ${error.message}`);
    process.exit(1);
  }
}
