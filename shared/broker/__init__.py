"""RabbitMQ: the only place that imports aio-pika."""
