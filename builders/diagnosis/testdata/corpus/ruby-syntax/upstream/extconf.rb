def f
  [1, 2
end
