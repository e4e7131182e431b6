// Answers policy test cases with @cloud-copilot/iam-simulate, as a second opinion on our own engine. Development only:
// the package is AGPL, so it is run as a process and never linked or shipped.
// stdin: a JSON list of cases; stdout: a JSON list of {answer} or {error}, in the same order.
import { runSimulation } from '@cloud-copilot/iam-simulate'

const named = (list) => (list ?? []).map((p, i) => (p && typeof p === 'object' && 'policy' in p ? p : { name: `policy ${i}`, policy: p }))

// The simulator takes context values as strings.
const text = (value) => (Array.isArray(value) ? value.map(String) : String(value))

function simulation(c) {
  const context = Object.fromEntries(Object.entries(c.request.context ?? {}).map(([key, value]) => [key, text(value)]))
  const s = {
    request: { principal: c.request.principal, action: c.request.action, resource: c.request.resource, contextVariables: context },
    identityPolicies: named(c.identityPolicies),
    serviceControlPolicies: c.serviceControlPolicies ?? [],
    resourceControlPolicies: c.resourceControlPolicies ?? [],
  }
  if (c.resourcePolicy) s.resourcePolicy = c.resourcePolicy
  if (c.sessionPolicy) s.sessionPolicy = c.sessionPolicy
  if (c.permissionBoundaries) s.permissionBoundaryPolicies = named(c.permissionBoundaries)
  return s
}

async function answer(c) {
  try {
    const result = await runSimulation(simulation(c), {})
    return result.resultType === 'error' ? { error: JSON.stringify(result.errors) } : { answer: result.overallResult }
  } catch (error) {
    return { error: String(error) }
  }
}

let input = ''
for await (const chunk of process.stdin) input += chunk
const answers = []
for (const c of JSON.parse(input)) answers.push(await answer(c))
process.stdout.write(JSON.stringify(answers))
