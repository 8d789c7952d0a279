"""Which part of a row should guidance press on, where a norm follows the weights?"""
