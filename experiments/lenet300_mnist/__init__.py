"""How small does guidance make LeNet-300-100 on MNIST, at what error?"""
