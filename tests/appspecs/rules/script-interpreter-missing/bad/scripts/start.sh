#!/opt/none/python9
print('started')
