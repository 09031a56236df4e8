	.text
	.globl start
start:
	movq %eax, %rbx
	frobnicate
	ret
