// Package queues reads SQS queues and subscribes one to a topic.
package queues
