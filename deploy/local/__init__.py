"""RabbitMQ and MongoDB, and all services with them, on one machine without administrator's rights."""
