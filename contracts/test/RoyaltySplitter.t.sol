// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ConversationToken} from "../src/ConversationToken.sol";
import {RoyaltySplitter} from "../src/RoyaltySplitter.sol";
import {Coin, ContractWallet, Conversations, Greedy} from "./Fixtures.sol";
import {Marketplace} from "./Marketplace.sol";

/// Royalties from the sale to each contributor's account, and what a hostile contributor or asset can not do.
contract RoyaltySplitterTest is Conversations {
    RoyaltySplitter splitter;
    Coin coin;
    uint256 id;

    function setUp() public {
        vm.warp(1_000_000);
        token = new ConversationToken();
        coin = new Coin();
        makePeople(3);
        id = mintSome();
        splitter = splitterOf(id);
    }

    function test_aSaleFromListingToPayout() public {
        Marketplace market = new Marketplace(token);
        vm.startPrank(holder);
        token.approve(address(market), id);
        market.list(id, 1 ether);
        vm.stopPrank();
        assertFalse(token.canOpen(id, holder), "the market holds it");
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        market.buy{value: 1 ether}(id);
        assertTrue(token.canOpen(id, stranger));
        assertFalse(token.canOpen(id, holder));
        vm.prank(holder);
        market.collect();
        assertEq(holder.balance, 0.925 ether);
        assertEq(address(splitter).balance, 0.075 ether);
        for (uint256 i = 0; i < 3; i++) {
            vm.prank(people[i]);
            splitter.claim(address(0), payable(people[i]));
            assertEq(people[i].balance, i == 0 ? 0.0375 ether : 0.01875 ether);
        }
        assertEq(address(splitter).balance, 0);
    }

    function test_aWithdrawnTokenIsNotSold() public {
        Marketplace market = new Marketplace(token);
        vm.startPrank(holder);
        token.approve(address(market), id);
        market.list(id, 1 ether);
        vm.stopPrank();
        vm.prank(people[0]);
        token.retract(id);
        vm.prank(people[1]);
        token.retract(id);
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.IsWithdrawn.selector, id));
        market.buy{value: 1 ether}(id);
        assertEq(stranger.balance, 1 ether, "the buyer keeps the money");
    }

    function test_sharesAreTheSignedOnes() public view {
        (address[] memory who, uint16[] memory shares) = splitter.agreed();
        assertEq(who, people);
        assertEq(shares[0], 5_000);
        assertEq(splitter.shareOf(people[1]), 2_500);
        assertEq(splitter.shareOf(stranger), 0);
        assertEq(splitter.shareOf(address(0)), 0);
    }

    function test_incomeIsSeen() public {
        vm.deal(stranger, 5);
        vm.expectEmit();
        emit RoyaltySplitter.Received(stranger, 5);
        vm.prank(stranger);
        (bool paid,) = address(splitter).call{value: 5}("");
        assertTrue(paid);
        assertEq(splitter.due(address(0), people[0]), 2);
    }

    function test_claimToAnotherAccount() public {
        vm.deal(address(splitter), 100);
        vm.expectEmit();
        emit RoyaltySplitter.Claimed(address(0), people[0], stranger, 50);
        vm.prank(people[0]);
        assertEq(splitter.claim(address(0), payable(stranger)), 50);
        assertEq(stranger.balance, 50);
        assertEq(splitter.due(address(0), people[0]), 0);
        vm.deal(address(splitter), address(splitter).balance + 100);
        assertEq(splitter.due(address(0), people[0]), 50, "of the new income alone");
    }

    function test_coinsArePaidLikeTheOwnCurrency() public {
        coin.give(address(splitter), 1_000);
        vm.prank(people[1]);
        splitter.claim(address(coin), payable(people[1]));
        assertEq(coin.balanceOf(people[1]), 250);
        (address[] memory who, uint16[] memory shares, uint256[] memory paid, uint256[] memory open) =
            splitter.accounts(address(coin));
        assertEq(who, people);
        assertEq(shares[1], 2_500);
        assertEq(paid[1], 250);
        assertEq(open[1], 0);
        assertEq(open[0], 500);
    }

    function test_claimsThatMakeNoSense() public {
        vm.prank(people[0]);
        vm.expectRevert(abi.encodeWithSelector(RoyaltySplitter.NothingDue.selector, address(0), people[0]));
        splitter.claim(address(0), payable(people[0]));
        vm.deal(address(splitter), 100);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(RoyaltySplitter.NotAContributor.selector, stranger));
        splitter.claim(address(0), payable(stranger));
        vm.prank(people[0]);
        vm.expectRevert(RoyaltySplitter.ZeroAddress.selector);
        splitter.claim(address(0), payable(address(0)));
    }

    function test_aContributorThatRefusesHoldsUpNobody() public {
        ContractWallet wallet = new ContractWallet(people[0]);
        uint256 key = keys[0];
        (address other, uint256 otherKey) = makeAddrAndKey("other");
        delete people;
        delete keys;
        bool first = address(wallet) < other;
        people.push(first ? address(wallet) : other);
        people.push(first ? other : address(wallet));
        keys.push(first ? key : otherKey);
        keys.push(first ? otherKey : key);
        RoyaltySplitter shared = splitterOf(mintSome());
        vm.deal(address(shared), 30_000);
        uint256 expected = shared.due(address(0), address(wallet));

        vm.expectRevert(Errors.FailedCall.selector);
        wallet.claim(shared, address(0), payable(address(wallet)));
        assertEq(shared.due(address(0), address(wallet)), expected, "nothing is lost by a refused payment");
        vm.prank(other);
        shared.claim(address(0), payable(other));
        assertEq(other.balance, 30_000 - expected);
        wallet.claim(shared, address(0), payable(stranger));
        assertEq(stranger.balance, expected);
    }

    function test_whoClaimsAgainWhileBeingPaidGetsNothingMore() public {
        Greedy greedy = new Greedy();
        vm.deal(address(splitter), 100);
        // The greedy contract stands where a contributor's wallet does.
        vm.etch(people[1], address(greedy).code);
        Greedy(payable(people[1])).claim(splitter);
        assertEq(Greedy(payable(people[1])).tries(), 1);
        assertEq(
            bytes4(Greedy(payable(people[1])).refusal()),
            ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector
        );
        assertEq(people[1].balance, 25);
    }

    function test_anAssetThatShrinksStopsPayingAndNothingElse() public {
        coin.give(address(splitter), 1_000);
        vm.prank(people[0]);
        splitter.claim(address(coin), payable(people[0]));
        coin.take(address(splitter), 500);
        assertEq(splitter.due(address(coin), people[0]), 0);
        assertEq(splitter.due(address(coin), people[1]), 125);
        vm.deal(address(splitter), 100);
        assertEq(splitter.due(address(0), people[0]), 50);
    }

    function test_theSharedCodeItselfPaysNobody() public {
        RoyaltySplitter code = RoyaltySplitter(payable(token.splitterCode()));
        vm.deal(address(code), 100);
        vm.expectRevert();
        code.claim(address(0), payable(stranger));
    }

    function testFuzz_sumOfPayoutsIsIncome(uint96 first, uint96 second, uint8 order) public {
        vm.deal(address(splitter), first);
        uint256 early = order % 3;
        if (splitter.due(address(0), people[early]) > 0) {
            vm.prank(people[early]);
            splitter.claim(address(0), payable(people[early]));
        }
        vm.deal(address(splitter), address(splitter).balance + second);
        for (uint256 i = 0; i < 3; i++) {
            if (splitter.due(address(0), people[i]) == 0) continue;
            vm.prank(people[i]);
            splitter.claim(address(0), payable(people[i]));
        }
        uint256 paid = people[0].balance + people[1].balance + people[2].balance;
        uint256 income = uint256(first) + second;
        assertEq(splitter.released(address(0)), paid);
        assertLe(paid, income);
        assertLt(income - paid, 3, "rounding only");
    }
}
