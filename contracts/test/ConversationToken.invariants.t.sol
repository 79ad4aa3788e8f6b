// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "forge-std/Test.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ConversationToken} from "../src/ConversationToken.sol";
import {RoyaltySplitter} from "../src/RoyaltySplitter.sol";
import {Coin, Conversations} from "./Fixtures.sol";

/// Contributors, holders and strangers do anything the token and its splitters offer, in any order. Calls may be
/// refused; what got through is written down from the events alone.
contract Notary is Conversations {
    Coin public immutable coin = new Coin();
    uint256[] public ids;
    address[] public crowd;
    mapping(uint256 token => address) public believedOwner;
    mapping(uint256 id => bool) public believedWithdrawn;
    mapping(address asset => mapping(address splitter => uint256)) public income;
    mapping(address asset => mapping(address splitter => uint256)) public paid;
    uint256 public forged;
    uint256 public sales;
    uint256 public payouts;

    constructor(ConversationToken token_) {
        token = token_;
        makePeople(3);
        for (uint256 i = 0; i < 3; i++) {
            crowd.push(people[i]);
        }
        crowd.push(makeAddr("buyer"));
        crowd.push(makeAddr("collector"));
        mint(3, 0, 4);
        mint(4, 1, 4);
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    /// `fault` 0 to 2: that person's signature is another one's; otherwise all have signed.
    function mint(uint256 to, uint256 edition, uint256 fault) public {
        if (ids.length >= 4) return;
        ConversationToken.MintTerms memory terms = someTerms();
        terms.holder = anyone(to);
        terms.nonce = ids.length + forged;
        terms.editions = new address[](edition % 3);
        for (uint256 i = 0; i < terms.editions.length; i++) {
            terms.editions[i] = anyone(to % crowd.length + i + 1);
        }
        bytes[] memory signatures = signed(terms);
        fault %= 8;
        if (fault < 3) signatures[fault] = signatures[(fault + 1) % 3];
        vm.recordLogs();
        try token.mint(terms, signatures) returns (uint256 id) {
            if (fault < 3) forged++;
            ids.push(id);
            replay();
        } catch {
            assertLt(fault, 3, "terms that all have signed are minted");
        }
    }

    function transfer(uint256 which, uint256 edition, uint256 to) external {
        uint256 moved = ids[which % ids.length] + edition % 3;
        address owner = believedOwner[moved];
        vm.recordLogs();
        vm.prank(owner == address(0) ? anyone(to) : owner);
        try token.transferFrom(owner, anyone(to), moved) {
            sales++;
            replay();
        } catch {}
    }

    function retract(uint256 which, uint256 who, uint256 chance) external {
        // Rarely, or every run would end early with nothing but withdrawn conversations.
        if (chance % 4 != 0) return;
        vm.recordLogs();
        vm.prank(anyone(who));
        try token.retract(ids[which % ids.length]) {
            replay();
        } catch {}
    }

    function earn(uint256 which, bool inCoin, uint64 amount) external {
        address splitter = address(splitterOf(ids[which % ids.length]));
        if (inCoin) coin.give(splitter, amount);
        else vm.deal(splitter, splitter.balance + amount);
        income[inCoin ? address(coin) : address(0)][splitter] += amount;
    }

    function claim(uint256 which, uint256 who, bool inCoin) external {
        RoyaltySplitter splitter = splitterOf(ids[which % ids.length]);
        address asset = inCoin ? address(coin) : address(0);
        address to = makeAddr("account");
        vm.prank(anyone(who));
        try splitter.claim(asset, payable(to)) returns (uint256 amount) {
            paid[asset][address(splitter)] += amount;
            payouts++;
        } catch {}
    }

    function anyone(uint256 who) private view returns (address) {
        return crowd[who % crowd.length];
    }

    function replay() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; i++) {
            bytes32 kind = logs[i].topics[0];
            if (kind == IERC721.Transfer.selector) {
                uint256 moved = uint256(logs[i].topics[3]);
                assertFalse(believedWithdrawn[moved & ~uint256(0xffff)], "a withdrawn token does not move");
                assertEq(believedOwner[moved], address(uint160(uint256(logs[i].topics[1]))));
                believedOwner[moved] = address(uint160(uint256(logs[i].topics[2])));
            } else if (kind == ConversationToken.Withdrawn.selector) {
                believedWithdrawn[uint256(logs[i].topics[1])] = true;
            }
        }
    }
}

contract ConversationTokenInvariants is Conversations {
    Notary notary;

    function setUp() public {
        vm.warp(1_000_000);
        token = new ConversationToken();
        notary = new Notary(token);
        bytes4[] memory calls = new bytes4[](5);
        calls[0] = Notary.mint.selector;
        calls[1] = Notary.transfer.selector;
        calls[2] = Notary.retract.selector;
        calls[3] = Notary.earn.selector;
        calls[4] = Notary.claim.selector;
        targetContract(address(notary));
        targetSelector(FuzzSelector({addr: address(notary), selectors: calls}));
    }

    /// forge-config: default.invariant.runs = 24
    function invariant_accessIsHoldingAndNotWithdrawn() public view {
        for (uint256 c = 0; c < notary.count(); c++) {
            uint256 id = notary.ids(c);
            assertEq(token.isWithdrawn(id), notary.believedWithdrawn(id));
            for (uint256 p = 0; p < 5; p++) {
                address person = notary.crowd(p);
                bool holds = notary.believedOwner(id) == person || notary.believedOwner(id + 1) == person
                    || notary.believedOwner(id + 2) == person;
                assertEq(token.canOpen(id, person), holds && !notary.believedWithdrawn(id));
            }
        }
    }

    /// forge-config: default.invariant.runs = 24
    function invariant_withdrawnOpensForNobody() public view {
        for (uint256 c = 0; c < notary.count(); c++) {
            uint256 id = notary.ids(c);
            if (!token.isWithdrawn(id)) continue;
            for (uint256 edition = 0; edition < 3; edition++) {
                assertFalse(token.canOpen(id + edition, notary.believedOwner(id + edition)));
            }
        }
    }

    /// forge-config: default.invariant.runs = 24
    function invariant_payoutsAndRestAreTheIncome() public view {
        for (uint256 c = 0; c < notary.count(); c++) {
            RoyaltySplitter splitter = splitterOf(notary.ids(c));
            address at = address(splitter);
            address coin = address(notary.coin());
            assertEq(at.balance + notary.paid(address(0), at), notary.income(address(0), at));
            assertEq(notary.coin().balanceOf(at) + notary.paid(coin, at), notary.income(coin, at));
            (,,, uint256[] memory open) = splitter.accounts(address(0));
            assertLe(open[0] + open[1] + open[2], at.balance, "what is due is there");
            (,,, open) = splitter.accounts(coin);
            assertLe(open[0] + open[1] + open[2], notary.coin().balanceOf(at), "what is due is there");
        }
    }

    /// forge-config: default.invariant.runs = 24
    function invariant_noConsentNoMint() public view {
        assertEq(notary.forged(), 0);
    }

    /// The walk proves nothing if its calls are all refused: each kind of call gets through here.
    function test_theWalkGetsThrough() public {
        uint256 id = notary.ids(0);
        notary.transfer(0, 0, 4);
        assertEq(notary.believedOwner(id), notary.crowd(4));
        notary.earn(0, false, 1_000);
        notary.earn(0, true, 1_000);
        notary.claim(0, 0, false);
        notary.claim(0, 1, true);
        notary.mint(0, 2, 1);
        assertEq(notary.count(), 2, "a wrong signature mints nothing");
        notary.mint(0, 2, 3);
        assertEq(notary.count(), 3);
        notary.retract(0, 0, 0);
        notary.retract(0, 1, 0);
        assertTrue(notary.believedWithdrawn(id));
        notary.transfer(0, 0, 3);
        assertEq(notary.sales(), 1, "nothing moves any more");
        assertEq(notary.payouts(), 2);
    }
}
