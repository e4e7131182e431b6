// Package queues reads SQS queues.
package queues
