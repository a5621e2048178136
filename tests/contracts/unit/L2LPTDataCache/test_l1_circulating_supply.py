def test_l1_circulating_supply__without_an_l1__is_zero(project, owner):
    assert owner.deploy(project.L2LPTDataCache).l1CirculatingSupply() == 0
