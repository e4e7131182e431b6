// Validates CloudFormation templates offline: node infra/validate.cjs TEMPLATE…
// Prints what is at least a warning and exits 1 if there is any that is not accepted below, with its reason.
const { RegoEngine, TemplateFile } = require("@aws/cloudformation-validate");

// Rule id → why it is accepted.
const accepted = {
  W9013: "the ARNs name the hub's account, which is not the account the template is deployed in",
};

const engine = new RegoEngine();
let problems = 0;
try {
  for (const path of process.argv.slice(2)) {
    for (const d of engine.validateStandard(new TemplateFile(path), { severityLevel: "WARN" }).diagnostics) {
      if (d.ruleId in accepted) continue;
      problems++;
      console.error(`${path}: [${d.severity}] ${d.ruleId}: ${d.message}`);
    }
  }
} finally {
  engine.free();
}
if (process.argv.length < 3) {
  console.error("usage: node infra/validate.cjs TEMPLATE…");
  process.exit(2);
}
process.exit(problems > 0 ? 1 : 0);
