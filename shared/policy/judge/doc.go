// Package judge asks a second engine, which nobody here wrote (npm @cloud-copilot/iam-simulate, run as a process), what it
// makes of decisions that were taken. For tests: a wrong belief that engine, local AWS and product share passes every test
// of ours, and not this one. What the second engine cannot know is explained by rules computed from the request.
package judge
